/**
 * QStash on localhost: publishing, queues, URL groups, schedules, flow control, callbacks, retries, DLQ,
 * logs, signatures, with a virtual clock. Built from the public documentation and the MIT clients only.
 */
export { createQstash } from './create.ts'
export type { QstashOptions } from './create.ts'
export { freePlan } from './limits.ts'
export { devSigningKeys, devToken } from './signing-keys.ts'
