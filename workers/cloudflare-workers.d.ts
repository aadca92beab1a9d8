/** The parts of the runtime's own module that the workers use. */
declare module 'cloudflare:workers' {
  /** Keeps the current invocation alive until `promise` settles, at most 30 s after the answer. */
  export function waitUntil(promise: Promise<unknown>): void
}
