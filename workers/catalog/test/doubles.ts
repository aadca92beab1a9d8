/**
 * The neighbours of the catalog, for its tests: what they answer is said by the id of the request, which travels on
 * every call between services.
 */

/** What of a request the doubles look at; Miniflare's own class and the runtime's both have it. */
type Asked = { readonly url: string; readonly headers: { get(name: string): string | null } }

function problem(status: number, code: string): Response {
  const body = { type: `/problems/${code}`, title: code, status, code }
  return Response.json(body, {
    status,
    headers: { 'content-type': 'application/problem+json' },
  })
}

function isAbout(request: Asked, what: string): boolean {
  return request.headers.get('x-request-id')?.startsWith(what) ?? false
}

/** A session for every token of the form `<member>.<64 hex>`. */
function currentSession(request: Asked): Response {
  const token = request.headers.get('authorization') ?? ''
  const [, member] = /^Bearer ([0-9A-HJKMNP-TV-Z]{20})\.[0-9a-f]{64}$/.exec(token) ?? []
  if (member === undefined) return problem(401, 'session_ended')
  return Response.json({
    id: `ses_${member}`,
    member: `usr_${member}`,
    expiresAt: '2100-01-01T00:00:00Z',
  })
}

function stock(request: Asked): Response {
  if (isAbout(request, 'warehouse-down')) return problem(503, 'unavailable')
  if (isAbout(request, 'warehouse-new')) return problem(404, 'stock_not_found')
  const product = new URL(request.url).pathname.split('/').at(-1)
  return Response.json({ product, onHand: 7, reserved: 2, available: 5 })
}

function counts(request: Asked): Response {
  if (isAbout(request, 'stats-down')) return new Response('broken', { status: 500 })
  return Response.json({ counts: isAbout(request, 'stats-empty') ? {} : { sold: 3, orders: 2 } })
}

export const doubles = { USERS: currentSession, WAREHOUSE: stock, STATS: counts }
