import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'

import { apiOf, retried } from './load/api.ts'
import { openCheckpoint } from './load/checkpoint.ts'
import { demoSource } from './load/demo.ts'
import { importAll } from './load/import.ts'

/** Small enough to be there in seconds, large enough that pages have a second page. */
const size = { members: 60, categories: 64 }
const authors = 4
const seed = 1

/** The member that a newcomer is. The password is printed, so it protects nothing. */
export const demoLogin = { handle: 'demo', password: 'demo-password' } as const

const thoughts = [
  'A stoa is a roof over the place where people meet and trade.',
  'Every write here says what happened, in the same transaction.',
  'Ask for the same thing twice with one key, and it happens once.',
]

type Deployed = { readonly url: string; readonly importToken: string }

/** Signs the demo member in; the token is good for this data. */
export async function demoToken({ url, importToken }: Deployed): Promise<string> {
  const { users } = apiOf(url, importToken)
  const body = { login: demoLogin.handle, password: demoLogin.password }
  return (await retried((call) => users.logIn({ body }, call))).token
}

/** Whether the demo data of this folder is complete. */
export function hasDemoData(dataDir: string): boolean {
  return existsSync(path.join(dataDir, 'demo.json'))
}

/**
 * Brings the demo data in over the public API, once: a member to be, others to follow, posts to read, a shop to browse.
 * It may die anywhere; the next start completes it, and nothing is there twice.
 */
export async function loadDemoData(
  { url, importToken }: Deployed,
  { dataDir, progress }: { readonly dataDir: string; readonly progress: (phase: string) => void },
): Promise<void> {
  const api = apiOf(url, importToken)
  const source = demoSource(size, seed)
  const checkpoint = await openCheckpoint(undefined)
  await importAll(
    source,
    {
      ...checkpoint,
      api,
      progress: (phase, done, total) => {
        if (done === total) progress(`${phase}: ${total}`)
      },
    },
    checkpoint.ids,
  )
  const { handle, password } = demoLogin
  const me = { handle, password, email: 'demo@example.org', name: 'You' }
  const headers = { 'idempotency-key': 'demo-member-0000000000' }
  await retried((call) => api.users.register({ headers, body: me }, call))
  const token = await demoToken({ url, importToken })
  const session = { authorization: `Bearer ${token}` }
  for (const [index, { value }] of source.members.slice(0, authors).entries()) {
    const followee = checkpoint.ids.get(value.handle)
    if (followee === undefined) continue
    await retried((call) =>
      api.social.follow({ headers: session, params: { member: followee } }, call),
    )
    await postAs(value.email, { api, text: thoughts[index % thoughts.length] ?? '' })
  }
  progress(`posts: ${authors}`)
  await writeFile(path.join(dataDir, 'demo.json'), JSON.stringify({ seed, ...size }))
}

/** Posts as an imported member, who first sets a password as any of them would: by a reset. */
async function postAs(
  email: string,
  { api, text }: { readonly api: ReturnType<typeof apiOf>; readonly text: string },
): Promise<void> {
  const { headers, users, social } = api
  const { token } = await retried((call) => users.requestReset({ headers, body: { email } }, call))
  if (token === undefined) throw new Error(`Cannot post as ${email}: nobody has that address`)
  const { password } = demoLogin
  // A reset is good once: when its answer was lost the password is set all the same, and logging in shows it.
  await retried((call) => users.reset({ params: { token }, body: { password } }, call)).catch(
    () => undefined,
  )
  const session = await retried((call) => users.logIn({ body: { login: email, password } }, call))
  const keyed = {
    authorization: `Bearer ${session.token}`,
    'idempotency-key': `demo-post-${email}`,
  }
  await retried((call) => social.createPost({ headers: keyed, body: { text } }, call))
}
