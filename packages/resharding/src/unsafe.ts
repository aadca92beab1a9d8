/** For simulations alone: a mover whose safeguards can be taken away one by one. */
export { createUnsafeMover } from './mover.ts'
export { allSafeguards, type Safeguards } from './safeguards.ts'
