import { Fault, type FaultKind } from '@stoa/kernel'
import { z } from 'zod'

/** RFC 9457 problem details, as every answer above 399 is. */
export const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  /** Stable; see the Errors table of the service's README. */
  code: z.string(),
  detail: z.string().optional(),
  instance: z.string().optional(),
  errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
})

const kinds: Readonly<Record<number, FaultKind>> = {
  400: 'invalid_argument',
  401: 'unauthenticated',
  403: 'permission_denied',
  404: 'not_found',
  409: 'failed_precondition',
  429: 'resource_exhausted',
  504: 'deadline_exceeded',
}

/** Another service refused, or failed; `code` is its own word for why. */
export class RemoteFault extends Fault {
  override readonly name = 'RemoteFault'
  override readonly code: string
  override readonly kind: FaultKind
  override readonly retryable: boolean
  readonly status: number

  constructor(
    operation: string,
    answer: {
      readonly status: number
      readonly code: string
      readonly detail?: string | undefined
    },
  ) {
    super(answer.detail ?? `Cannot ${operation}: the service answered ${answer.status}`)
    this.status = answer.status
    this.code = answer.code
    this.kind = kinds[answer.status] ?? (answer.status < 500 ? 'invalid_argument' : 'unavailable')
    this.retryable = answer.status >= 500 || answer.status === 429
  }
}

/** The fault that an answer above 399 tells of. */
export async function remoteFaultOf(operation: string, response: Response): Promise<RemoteFault> {
  const body = problem.safeParse(await response.json().catch(() => undefined))
  if (!body.success)
    return new RemoteFault(operation, { status: response.status, code: 'unavailable' })
  return new RemoteFault(operation, {
    status: response.status,
    code: body.data.code,
    detail: body.data.detail,
  })
}
