import { clientOf, fetcherAt } from '@stoa/contracts'
import { catalog } from '@stoa/contracts/catalog'
import { social } from '@stoa/contracts/social'
import { users } from '@stoa/contracts/users'
import { type Call, rootCall, systemClock, within } from '@stoa/kernel'

/** One request of a load may take this long; a slow one is sent again, which changes nothing. */
const requestMsMax = 30_000
const triesMax = 8
const backOffMs = 250

export type Api = ReturnType<typeof apiOf>

/** Typed clients of a deployment at `url`; every import carries the import token. */
export function apiOf(url: string, token: string) {
  const send = fetcherAt(url)
  return {
    users: clientOf(users, send),
    social: clientOf(social, send),
    catalog: clientOf(catalog, send),
    headers: { authorization: `Bearer ${token}` },
  }
}

function mayPass(error: unknown): boolean {
  if (error instanceof Error && 'retryable' in error) return error.retryable === true
  return error instanceof TypeError || (error instanceof Error && error.name === 'TimeoutError')
}

/** Tries `work` again while its failure may pass. Only for what is safe to repeat: every import and read is. */
export async function retried<T>(work: (call: Call) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work(within(rootCall(crypto.randomUUID()), requestMsMax, systemClock))
    } catch (error) {
      if (!mayPass(error) || tries === triesMax) throw error
      await new Promise((resolve) => setTimeout(resolve, backOffMs * 2 ** tries * Math.random()))
    }
  }
}

/** Runs `work` over `items`, `width` at a time, in order of start. */
export async function pooled<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values()
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (const item of queue) await work(item)
    }),
  )
}
