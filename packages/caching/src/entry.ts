/** What a tier keeps of a value: its text and what is known about it. */
export type Entry = {
  /** Unique to the fill, so that no two entries of a key are the same text: an entry serves as its own lease. */
  readonly nonce: string
  /** The version of the row that was read; absent when the origin has none. */
  readonly version: number | undefined
  /** Milliseconds since 1970, by the clock of the isolate that loaded it. */
  readonly freshUntil: number
  /** Until when it may answer in place of a load that fails or is too slow. */
  readonly staleUntil: number
  /** How long the load took: the longer, the earlier it is renewed. */
  readonly loadMs: number
  /** The version that each tag had before the load. */
  readonly tags: Readonly<Record<string, string>>
  /** True when the origin said that there is nothing. */
  readonly isNegative: boolean
  readonly body: string
}

/** What a key of the Redis tier holds. `raw` is what a compare-and-set must find there. */
export type Stored =
  | { readonly kind: 'absent'; readonly raw: undefined }
  | { readonly kind: 'tombstone'; readonly raw: string; readonly min: number }
  | {
      readonly kind: 'lease'
      readonly raw: string
      readonly min: number
      readonly token: string
      readonly until: number
    }
  | { readonly kind: 'entry'; readonly raw: string; readonly entry: Entry }

const format = 1

/** `T:<min>:<nonce>`: a reader may fill the key only with version `min` or later. */
export function tombstoneText(min: number, nonce: string): string {
  return `T:${min}:${nonce}`
}

/** `L:<token>:<min>:<until>`: the holder of `token` loads; from `until` on anybody may take over. */
export function leaseText(token: string, { min, until }: { min: number; until: number }): string {
  return `L:${token}:${min}:${Math.ceil(until)}`
}

export function encodeEntry(entry: Entry): string {
  const { nonce, version, freshUntil, staleUntil, loadMs, isNegative, tags, body } = entry
  const head = [
    format,
    nonce,
    version ?? null,
    freshUntil,
    staleUntil,
    loadMs,
    isNegative ? 1 : 0,
    tags,
  ]
  return `E${JSON.stringify(head)}\n${body}`
}

const tombstoneForm = /^T:(\d+):/
const leaseForm = /^L:([^:]+):(\d+):(\d+)$/

/** Reads what a key holds. Text of no known form is a tombstone without a version: the next fill replaces it. */
export function parseStored(raw: unknown): Stored {
  if (typeof raw !== 'string') return { kind: 'absent', raw: undefined }
  if (raw.startsWith('E')) {
    const entry = parseEntry(raw)
    if (entry !== undefined) return { kind: 'entry', raw, entry }
  }
  const [, token, min, until] = leaseForm.exec(raw) ?? []
  if (token !== undefined) {
    return { kind: 'lease', raw, token, min: Number(min), until: Number(until) }
  }
  return { kind: 'tombstone', raw, min: Number(tombstoneForm.exec(raw)?.[1] ?? 0) }
}

/** The entry in `text`, or `undefined` when it is none, or one of another format. */
export function parseEntry(text: string): Entry | undefined {
  const end = text.indexOf('\n')
  if (end < 0) return undefined
  let head: unknown
  try {
    head = JSON.parse(text.slice(1, end))
  } catch {
    return undefined
  }
  if (!Array.isArray(head) || head[0] !== format) return undefined
  const [, nonce, version, freshUntil, staleUntil, loadMs, negative, tags] =
    head as unknown as readonly [
      number,
      string,
      number | null,
      number,
      number,
      number,
      number,
      Record<string, string>,
    ]
  return {
    nonce,
    version: version ?? undefined,
    freshUntil,
    staleUntil,
    loadMs,
    tags,
    isNegative: negative === 1,
    body: text.slice(end + 1),
  }
}

/** The least version that may replace what is stored: nothing older than what was already proved. */
export function minOf(stored: Stored): number {
  switch (stored.kind) {
    case 'absent':
      return 0
    case 'entry':
      return stored.entry.version ?? 0
    case 'tombstone':
    case 'lease':
      return stored.min
  }
}

/** Whether `version` is proved to be at least `min`. Without a version only 0 is. */
export function meets(version: number | undefined, min: number): boolean {
  return min === 0 || (version !== undefined && version >= min)
}
