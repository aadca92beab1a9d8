/** Writes a bug to the log of the deployment, with the request it happened in. */
export function report(error: unknown, requestId: string): void {
  // oxlint-disable-next-line no-console -- Workers have no other log.
  console.error(requestId, error)
}
