import { hooks } from './world.ts'

/** A process that dies: at its `at`-th request to the outside, before it is sent or when it has taken effect. */
export type Death = { readonly at: number; readonly when: 'before' | 'after' }

/** Changes what is sent to a database, as a mutant would. */
export type Rewrite = (body: string) => string

type Watched = {
  readonly death?: Death | undefined
  readonly rewrite?: Rewrite | undefined
}

class Died extends Error {
  override readonly name = 'Died'
}

/** Runs `work`, whose requests carry `requestId`, and lets it die; answers how many requests it sent. */
export async function mortal(
  requestId: string,
  { death, rewrite = (body) => body }: Watched,
  work: () => Promise<unknown>,
): Promise<number> {
  let sent = 0
  let isDead = false
  const live = async <T>(send: () => Promise<T>): Promise<T> => {
    if (isDead) throw new Died()
    const isLast = death?.at === sent
    sent += 1
    if (isLast && death.when === 'before') isDead = true
    if (isDead) throw new Died()
    const reply = await send()
    if (isLast) isDead = true
    // What was under way when the process died took effect, and nobody hears of it.
    if (isDead) throw new Died()
    return reply
  }
  const original = globalThis.fetch
  globalThis.fetch = async (input, init) => {
    const request = new Request(input, init)
    if (request.headers.get('x-request-id') !== requestId) return original(request)
    const body = rewrite(await request.text())
    return live(() => original(new Request(request.url, { ...headOf(request), body })))
  }
  hooks.fetch = (_name, answer) => live(answer)
  try {
    await work()
  } finally {
    globalThis.fetch = original
    delete hooks.fetch
  }
  return sent
}

function headOf({ method, headers }: Request): RequestInit {
  return { method, headers }
}
