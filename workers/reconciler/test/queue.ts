import { env } from './harness.ts'

/** What was given to the queue for a consumer, whatever becomes of it there. */
export async function published(consumer: string): Promise<readonly Record<string, unknown>[]> {
  const { QSTASH_URL: url = '', QSTASH_TOKEN: token = '' } = env
  const response = await fetch(`${url}/v2/logs?label=${consumer}&count=1000&state=CREATED`, {
    headers: { authorization: `Bearer ${token}` },
  })
  const { logs } = (await response.json()) as { logs: readonly { readonly body?: string }[] }
  return logs.flatMap(({ body = '' }) => {
    const { events } = JSON.parse(atob(body)) as { events: readonly Record<string, unknown>[] }
    return events
  })
}
