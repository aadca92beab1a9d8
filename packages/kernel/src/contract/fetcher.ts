import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import type { Fetcher } from '../http.ts'

/** A fetcher under test that reaches {@link echo} under `origin`; `close` gives back what `make` took. */
export type FetcherFixture = {
  readonly fetcher: Fetcher
  readonly origin: string
  readonly close: () => Promise<void>
}

/** The other side of the contract: says what it heard, with the status that `?status=` asks for. */
export async function echo(request: Request): Promise<Response> {
  const url = new URL(request.url)
  const heard = {
    method: request.method,
    path: url.pathname,
    requestId: request.headers.get('x-request-id'),
    body: await request.text(),
  }
  return Response.json(heard, { status: Number(url.searchParams.get('status') ?? 200) })
}

/** What every {@link Fetcher} promises. */
export function fetcherContract(name: string, make: () => Promise<FetcherFixture>): void {
  describe(`${name} keeps the fetcher contract: it`, () => {
    let fixture: FetcherFixture
    beforeAll(async () => {
      fixture = await make()
    })
    afterAll(() => fixture.close())

    test('carries method, path, headers and body', async () => {
      const request = new Request(`${fixture.origin}/a/b`, {
        method: 'PUT',
        headers: { 'x-request-id': 'r1' },
        body: 'Στοά',
      })

      const answer = await fixture.fetcher(request)

      expect(await answer.json()).toEqual({
        method: 'PUT',
        path: '/a/b',
        requestId: 'r1',
        body: 'Στοά',
      })
    })

    test.for([404, 503])('answers with status %i instead of throwing', async (status) => {
      const answer = await fixture.fetcher(new Request(`${fixture.origin}/?status=${status}`))

      expect(answer.status).toBe(status)
    })

    test('rejects a request that is over', async () => {
      const request = new Request(`${fixture.origin}/`, { signal: AbortSignal.abort() })

      await expect(fixture.fetcher(request)).rejects.toMatchObject({ name: 'AbortError' })
    })
  })
}
