/** What a request can cost, in the units the vendors bill or the design budgets. */
export const unitNames = [
  'roundTrips',
  'statements',
  'rowsRead',
  'rowsWritten',
  'commands',
  'messages',
] as const

export type Unit = (typeof unitNames)[number]
export type Counts = Readonly<Record<Unit, number>>

/** The running cost of one request. */
export type Tally = {
  add(unit: Unit, n?: number): void
  readonly counts: Counts
}
