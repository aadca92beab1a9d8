/**
 * What keeps a move correct, one by one, so that a simulation can take each away and must notice. Production has all.
 *
 * Never reachable from the package's index.
 */
export type Safeguards = {
  /** The target begins only when it has no row of the scope. */
  readonly emptyTarget: boolean
  /** Capture is on before the first row is read. */
  readonly captureFirst: boolean
  /** A chunk is written only where its last batch ended, and only while the job receives. */
  readonly chunkGuard: boolean
  /** Changes are replayed only when every chunk is there. */
  readonly replayAfterCopy: boolean
  /** A replay moves `applied` from what it was read at. */
  readonly appliedGuard: boolean
  /** What is replayed is read together with how far it reaches. */
  readonly oneSnapshot: boolean
  /** Writes stop at the owner before the last replay. */
  readonly freeze: boolean
  /** What was captured until the freeze is replayed inside it. */
  readonly finalReplay: boolean
  /** Both copies are compared before the hand-over. */
  readonly verify: boolean
  /** ... by content, not by counting rows. */
  readonly verifyContent: boolean
  /** Each step at the owner happens only at the version of the step before. */
  readonly stepGuard: boolean
  /** The new owner opens only when the old one is known to have handed off. */
  readonly knownHandOff: boolean
  /** An abort asks the source whether the move was already decided. */
  readonly abortArbiter: boolean
  /** A move that ends leaves its row, so that late commands find it past. */
  readonly tombstones: boolean
  /** Rows are deleted only where the database holds a handed-off piece of this very job. */
  readonly purgeGuard: boolean
  /** The source is cleaned only after the target serves. */
  readonly cleanAfterOpen: boolean
}

export const allSafeguards: Safeguards = {
  emptyTarget: true,
  captureFirst: true,
  chunkGuard: true,
  replayAfterCopy: true,
  appliedGuard: true,
  oneSnapshot: true,
  freeze: true,
  finalReplay: true,
  verify: true,
  verifyContent: true,
  stepGuard: true,
  knownHandOff: true,
  abortArbiter: true,
  tombstones: true,
  purgeGuard: true,
  cleanAfterOpen: true,
}
