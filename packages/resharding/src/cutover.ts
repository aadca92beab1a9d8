import { type Changes, newestOf, readChanges, selectChanges, selectNewest } from './captured.ts'
import { purge } from './clean.ts'
import { type Context, type Flow, report } from './context.ts'
import { attempt } from './gate.ts'
import type { Difference } from './job.ts'
import { publish } from './publish.ts'
import { applyAndReadBack, readWindow } from './replay.ts'
import { freezing, handOff, open, type Progress, readProgress, thaw } from './steps.ts'
import { verifyFrozen } from './verify.ts'

/**
 * How an attempt to change owners ended: the copy owns; or writes go on as before, to be tried again; or the two
 * databases are not the same, or not those of the plan; or somebody else has ended the move at the owner.
 */
export type Outcome =
  | { readonly is: 'owned' }
  | { readonly is: 'later'; readonly why: string }
  | { readonly is: 'wrong'; readonly differences: readonly Difference[] }
  | { readonly is: 'changed' }
  | { readonly is: 'ended' }

type Frozen = { readonly changes: Changes; readonly version: number; readonly since: number }

const nothing: Pick<Changes, 'keys' | 'rows'> = { keys: new Map(), rows: new Map() }

/** Stops the owner's writes and reads, in the same round trip, what the copy lacks then. */
async function freeze(
  context: Context,
  flow: Flow,
  { owner, after }: { readonly owner: Progress; readonly after: number },
): Promise<Frozen | undefined> {
  const { move, tables, limits, options, safeguards, call } = context
  const since = options.clock.now()
  const stop = freezing(context, flow, owner.version)
  const changes = selectChanges(tables, { id: move.id, after, size: limits.window })
  const answers = await attempt(flow.owner, [...stop, selectNewest, ...changes], call)
  if (answers === undefined) return undefined
  const version = owner.version + 1
  if (!safeguards.finalReplay)
    return { changes: { ...nothing, after, upTo: after, newest: after }, version, since }
  const [newest, ...found] = answers.slice(stop.length)
  const window = { after, size: limits.window, newest: newestOf(newest) }
  const read = readChanges(tables, window, { answers: found, bytes: limits.bytes })
  return { changes: read, version, since }
}

/** Goes on with a freeze that another coordinator left behind. */
async function resume(
  context: Context,
  flow: Flow,
  { owner, after }: { readonly owner: Progress; readonly after: number },
): Promise<Frozen> {
  const { version, changedAt: since } = owner
  if (!context.safeguards.finalReplay)
    return { changes: { ...nothing, after, upTo: after, newest: after }, version, since }
  return { changes: await readWindow(context, flow, after), version, since }
}

/** Inside a freeze: the last replay, compared; then the decision. `undefined` once the owner has handed off. */
async function settle(
  context: Context,
  flow: Flow,
  { frozen, applied }: { readonly frozen: Frozen; readonly applied: number },
): Promise<Outcome | undefined> {
  const { changes, version, since } = frozen
  const { options, limits, safeguards } = context
  const goOn = async (outcome: Outcome): Promise<Outcome> => {
    await thaw(context, flow.owner, version)
    return outcome
  }
  const isLate = () => options.clock.now() - since > limits.freezeMs
  if (isLate()) return goOn({ is: 'later', why: `a freeze took ${limits.freezeMs} ms` })
  if (changes.newest > changes.upTo)
    return goOn({ is: 'later', why: `more than ${limits.window} changes were left at the freeze` })
  // Where nothing was captured since the copy was compared, there is nothing that it lacks.
  if (safeguards.finalReplay && changes.keys.size > 0) {
    const copied = await applyAndReadBack(context, flow, { changes, applied })
    if (copied === undefined) return { is: 'later', why: 'another coordinator was faster' }
    const differences = verifyFrozen(context, changes, copied)
    if (differences.length > 0) return goOn({ is: 'wrong', differences })
  }
  if (isLate()) return goOn({ is: 'later', why: `a freeze took ${limits.freezeMs} ms` })
  if (!safeguards.cleanAfterOpen) await purge(context, flow.owner, { left: limits.batches })
  if (!safeguards.knownHandOff) await open(context, flow)
  if (await handOff(context, flow, version)) return undefined
  return { is: 'later', why: 'another coordinator was faster' }
}

/** The copy opens and the topology says so, both at once: neither needs the other. */
async function takeOver(context: Context, flow: Flow): Promise<void> {
  const both = await Promise.allSettled([open(context, flow), publish(context, flow)])
  for (const each of both) if (each.status === 'rejected') throw each.reason
}

/**
 * Changes the owner, from whatever point it has reached. From the freeze until the copy serves it is four round trips:
 * freeze and read, replay and read back, hand off, open. Three when nothing is left to replay.
 */
export async function cutOver(context: Context, flow: Flow): Promise<Outcome> {
  const { move, options, call } = context
  const [owner, copy] = await Promise.all([
    readProgress(flow.owner, move.id, call),
    readProgress(flow.copy, move.id, call),
  ])
  if (owner === undefined || copy === undefined) return { is: 'ended' }
  if (owner.step === 'handed_off') {
    await takeOver(context, flow)
    return { is: 'owned' }
  }
  if (owner.step !== 'capturing' && owner.step !== 'frozen') return { is: 'ended' }
  if (copy.step !== 'receiving' || copy.applied === undefined || copy.verified === undefined)
    return { is: 'ended' }
  const { applied, verified: after } = copy
  const begun = options.clock.now()
  const frozen =
    owner.step === 'frozen'
      ? await resume(context, flow, { owner, after })
      : await freeze(context, flow, { owner, after })
  if (frozen === undefined) {
    const now = await readProgress(flow.owner, move.id, call)
    const isSame = now?.step === owner.step && now.version === owner.version
    return isSame ? { is: 'changed' } : { is: 'later', why: 'another coordinator was faster' }
  }
  const outcome = await settle(context, flow, { frozen, applied })
  if (outcome !== undefined) return outcome
  await takeOver(context, flow)
  report(context, { pauseMs: options.clock.now() - Math.min(begun, frozen.since) })
  return { is: 'owned' }
}
