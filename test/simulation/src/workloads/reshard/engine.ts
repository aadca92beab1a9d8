/** The move engine with safeguards that can be taken away, which it shows to simulations alone. */
export { allSafeguards, createUnsafeMover, type Safeguards } from '@stoa/resharding/safeguards'
