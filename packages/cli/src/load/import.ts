import type { Api } from './api.ts'
import { pooled, retried } from './api.ts'
import type { Edge, Line, Member, Source } from './source.ts'

/** Lines in one request, and requests at a time. */
const linesAtOnce = 250
const requestsAtOnce = 4

/** How long lines that name members the social service has not heard of yet are tried again. */
const settleTriesMax = 240
const settleMs = 500

export type Phase = 'members' | 'follows' | 'categories' | 'products'

export type Refused = { readonly phase: Phase; readonly line: number; readonly code: string }

export type Tally = { created: number; exists: number; refused: Refused[] }

export type Progress = (phase: Phase, done: number, total: number) => void

type Result = {
  readonly line: number
  readonly outcome: 'created' | 'exists' | 'refused'
  readonly id?: string | undefined
  readonly code?: string | undefined
}

type Batch<T> = { readonly lines: readonly Line<T>[]; readonly first: number }

function batchesOf<T>(lines: readonly Line<T>[]): readonly Batch<T>[] {
  const batches: Batch<T>[] = []
  for (let first = 0; first < lines.length; first += linesAtOnce) {
    batches.push({ lines: lines.slice(first, first + linesAtOnce), first })
  }
  return batches
}

export type Importer = {
  readonly api: Api
  readonly progress: Progress
  /** Whether a batch was answered by an earlier run. */
  readonly isDone: (phase: Phase, first: number) => boolean
  readonly markDone: (
    phase: Phase,
    first: number,
    ids: Readonly<Record<string, string>>,
  ) => Promise<void>
  /** Takes the ids of a batch that is not done, because lines of it were refused: another run sends it again. */
  readonly learn: (ids: Readonly<Record<string, string>>) => void
}

type Job<T> = {
  readonly phase: Phase
  readonly lines: readonly Line<T>[]
  readonly send: (lines: readonly Line<T>[]) => Promise<readonly Result[]>
  /** What a later phase must know of the batch. */
  readonly idsOf?: (batch: readonly Line<T>[], results: readonly Result[]) => Record<string, string>
}

async function runPhase<T>(
  { progress, isDone, markDone, learn }: Importer,
  { phase, lines, send, idsOf }: Job<T>,
  tally: Tally,
): Promise<void> {
  let done = 0
  await pooled(batchesOf(lines), requestsAtOnce, async (batch) => {
    if (!isDone(phase, batch.first)) {
      const results = await settled(batch.lines, send)
      for (const { line, outcome, code } of results) {
        if (outcome === 'refused') tally.refused.push({ phase, line, code: code ?? 'refused' })
        else tally[outcome] += 1
      }
      const ids = idsOf?.(batch.lines, results) ?? {}
      if (results.some(({ outcome }) => outcome === 'refused')) learn(ids)
      else await markDone(phase, batch.first, ids)
    }
    done += batch.lines.length
    progress(phase, done, lines.length)
  })
}

/** Sends lines until none is refused only because an event is still on its way. */
async function settled<T>(
  lines: readonly Line<T>[],
  send: (lines: readonly Line<T>[]) => Promise<readonly Result[]>,
): Promise<readonly Result[]> {
  const results: Result[] = []
  let waiting = lines
  for (let tries = 1; waiting.length > 0; tries += 1) {
    const answers = await send(waiting)
    const early = (result: Result | undefined) =>
      result?.outcome === 'refused' && result.code === 'member_not_found' && tries < settleTriesMax
    results.push(...answers.filter((result) => !early(result)))
    waiting = waiting.filter((_line, index) => early(answers[index]))
    if (waiting.length > 0) await new Promise((resolve) => setTimeout(resolve, settleMs))
  }
  return results
}

function flat<T>(lines: readonly Line<T>[]): (T & { line: number })[] {
  return lines.map(({ line, value }) => ({ ...value, line }))
}

type Send<T> = Job<T>['send']

function senders({ users, social, catalog, headers }: Api) {
  const members: Send<Source['members'][number]['value']> = async (lines) => {
    const body = { lines: flat(lines) }
    return (await retried((call) => users.importMembers({ headers, body }, call))).results
  }
  const follows: Send<{ follower: string; followee: string }> = async (lines) => {
    const body = { lines: flat(lines) }
    return (await retried((call) => social.importFollows({ headers, body }, call))).results
  }
  const categories: Send<Source['categories'][number]['value']> = async (lines) => {
    const body = { lines: flat(lines).map((each) => ({ ...each, path: [...each.path] })) }
    return (await retried((call) => catalog.importCategories({ headers, body }, call))).results
  }
  const products: Send<Source['products'][number]['value']> = async (lines) => {
    const body = { lines: flat(lines) }
    return (await retried((call) => catalog.importProducts({ headers, body }, call))).results
  }
  return { members, follows, categories, products }
}

/** The ids that the service gave to members, by handle. Several members may share a line, so position tells them apart. */
function idsByHandle(
  lines: readonly Line<Member>[],
  results: readonly Result[],
): Record<string, string> {
  return Object.fromEntries(
    lines.flatMap(({ value }, index) => {
      const id = results[index]?.id
      return id === undefined ? [] : [[value.handle, id]]
    }),
  )
}

/**
 * Sends follows by the ids of their members; those of a member that was refused are refused with it, so that every
 * line keeps its place in its batch.
 */
function byHandle(send: Send<Edge>, ids: ReadonlyMap<string, string>): Send<Edge> {
  return async (lines) => {
    const known = lines.flatMap(({ line, value }) => {
      const follower = ids.get(value.follower)
      const followee = ids.get(value.followee)
      if (follower === undefined || followee === undefined) return []
      return [{ line, value: { follower, followee } }]
    })
    const answers = (known.length === 0 ? [] : await send(known)).values()
    return lines.map(({ line, value }): Result => {
      const isKnown = ids.has(value.follower) && ids.has(value.followee)
      const answer = isKnown ? answers.next().value : undefined
      return answer ?? { line, outcome: 'refused', code: 'member_refused' }
    })
  }
}

/**
 * Brings `source` in: members first, for the follows need their ids, and categories before products. It may stop
 * anywhere and begin again: every line is idempotent.
 */
export async function importAll(
  source: Source,
  importer: Importer,
  ids: ReadonlyMap<string, string>,
): Promise<Tally> {
  const send = senders(importer.api)
  const tally: Tally = { created: 0, exists: 0, refused: [] }
  const { members, categories, products } = source
  await runPhase(
    importer,
    { phase: 'members', lines: members, send: send.members, idsOf: idsByHandle },
    tally,
  )
  const follows = byHandle(send.follows, ids)
  await runPhase(importer, { phase: 'follows', lines: source.edges, send: follows }, tally)
  await runPhase(importer, { phase: 'categories', lines: categories, send: send.categories }, tally)
  await runPhase(importer, { phase: 'products', lines: products, send: send.products }, tally)
  return tally
}
