/** The parts of the runtime's own module that the workers use. */
declare module 'cloudflare:workers' {
  /** Keeps the current invocation alive until `promise` settles, at most 30 s after the answer. */
  export function waitUntil(promise: Promise<unknown>): void
  /** The Worker itself, as its own caller: how a test inside the runtime reaches it. */
  export const exports: { readonly default: { fetch(request: Request): Promise<Response> } }
  /** The bindings of the Worker. */
  export const env: unknown
}
