/** The users service of the tests: the token `<member>.<64 hex>` is a session of that member, any other is none. */
export function answerSession(request: { readonly headers: { get(name: string): string | null } }) {
  const token = request.headers.get('authorization') ?? ''
  const member = /^Bearer ([0-9A-Z]{20})\.[0-9a-f]{64}$/.exec(token)?.[1]
  if (member === undefined) {
    return Response.json(
      {
        type: '/problems/session_ended',
        title: 'session ended',
        status: 401,
        code: 'session_ended',
      },
      { status: 401, headers: { 'content-type': 'application/problem+json' } },
    )
  }
  const expiresAt = new Date(4_102_444_800_000).toISOString()
  return Response.json({ id: `ses_${member}`, member: `usr_${member}`, expiresAt })
}
