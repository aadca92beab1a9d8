/** What one object does when nothing else happens: its sequential specification. */
export type Model<State, Input, Output> = {
  readonly initial: State
  /** The state after `input`, or `undefined` when it cannot have answered `output`; an unknown output may be any. */
  step(state: State, input: Input, output: Output | undefined): State | undefined
  /** Equal for equal states. */
  keyOf(state: State): string
}

/** One operation on one object, as its caller saw it. Times are any numbers that grow. */
export type Operation<Input, Output> = {
  readonly input: Input
  readonly output: Output | undefined
  readonly calledAt: number
  /** `Infinity` when no answer came: it may take effect at any later time. */
  readonly returnedAt: number
  /** Whether it must have happened. An operation of unknown outcome may be left out of the order. */
  readonly isCertain: boolean
}

/** `undecided`: the search was given up. Make the history shorter, or resolve its unknown outcomes. */
export type Verdict = 'linearizable' | 'not_linearizable' | 'undecided'

type Entry = {
  readonly operation: number
  readonly isCall: boolean
  previous: Entry | undefined
  next: Entry | undefined
  /** The return that belongs to a call. */
  match: Entry | undefined
}

/** How many operations are tried before the search is given up: seconds, where usual histories take microseconds. */
const triesMax = 500_000

/**
 * Whether there is one order of the operations that agrees with real time and in which each answers as the model does.
 *
 * Costs exponential time at worst, in the number of operations open at once; unknown outcomes are open for ever.
 *
 * @see Wing and Gong 1993, "Testing and verifying concurrent objects"; Lowe 2017, "Testing for linearizability"
 */
export function checkLinearizable<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
): Verdict {
  const head = linked(history)
  const seen = new Set<string>()
  const taken: { readonly entry: Entry; readonly state: State }[] = []
  const done = new Uint8Array(history.length)
  let missing = history.filter(({ isCertain }) => isCertain).length
  let state = model.initial
  let entry = head.next
  for (let tries = 0; missing > 0; tries += 1) {
    if (tries > triesMax) return 'undecided'
    const operation = entry?.isCall === true ? history[entry.operation] : undefined
    if (entry === undefined || operation === undefined) {
      // Somebody got an answer before whatever is left could be ordered: the last choice was wrong.
      const last = taken.pop()
      if (last === undefined) return 'not_linearizable'
      state = last.state
      done[last.entry.operation] = 0
      if (history[last.entry.operation]?.isCertain === true) missing += 1
      restore(last.entry)
      entry = last.entry.next
      continue
    }
    const next = model.step(state, operation.input, operation.output)
    if (next === undefined || isKnown(seen, done, { entry, key: model.keyOf(next) })) {
      entry = entry.next
      continue
    }
    taken.push({ entry, state })
    state = next
    done[entry.operation] = 1
    if (operation.isCertain) missing -= 1
    lift(entry)
    entry = head.next
  }
  return 'linearizable'
}

/** Whether the same set of operations already led to the same state; remembers it when not. */
function isKnown(
  seen: Set<string>,
  done: Uint8Array,
  { entry, key }: { readonly entry: Entry; readonly key: string },
): boolean {
  done[entry.operation] = 1
  const place = `${done.join('')}|${key}`
  done[entry.operation] = 0
  if (seen.has(place)) return true
  seen.add(place)
  return false
}

/** Calls and returns in order of time, behind a head; a call comes before a return of the same time. */
function linked<Input, Output>(history: readonly Operation<Input, Output>[]): Entry {
  const marks = history.flatMap(({ calledAt, returnedAt }, operation) => {
    const call = { at: calledAt, entry: entryOf(operation, true) }
    if (returnedAt === Infinity) return [call]
    const end = { at: returnedAt, entry: entryOf(operation, false) }
    call.entry.match = end.entry
    return [call, end]
  })
  const rank = ({ entry }: (typeof marks)[number]) => (entry.isCall ? 0 : 1)
  marks.sort((a, b) => a.at - b.at || rank(a) - rank(b))
  const head = entryOf(-1, false)
  let last = head
  for (const { entry } of marks) {
    last.next = entry
    entry.previous = last
    last = entry
  }
  return head
}

function entryOf(operation: number, isCall: boolean): Entry {
  return { operation, isCall, previous: undefined, next: undefined, match: undefined }
}

/** Takes a call and its return out of the list; they remember their place. */
function lift(call: Entry): void {
  for (const entry of [call, call.match]) {
    if (entry?.previous !== undefined) entry.previous.next = entry.next
    if (entry?.next !== undefined) entry.next.previous = entry.previous
  }
}

/** Puts back what {@link lift} took, in the opposite order. */
function restore(call: Entry): void {
  for (const entry of [call.match, call]) {
    if (entry?.previous !== undefined) entry.previous.next = entry
    if (entry?.next !== undefined) entry.next.previous = entry
  }
}
