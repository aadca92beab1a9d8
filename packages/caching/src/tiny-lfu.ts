import { xxh32 } from '@stoa/kernel'

import { FrequencySketch } from './frequency-sketch.ts'

export type Bounds = {
  readonly entriesMax: number
  readonly bytesMax: number
}

/** The window takes newcomers; this share of the whole suits traffic that is skewed, as ours is. */
const windowShare = 0.01
/** The share of the main part that entries used twice keep from those used once. */
const protectedShare = 0.8
/** How many pinned entries an eviction passes over before it takes one all the same. */
const pinnedSkipsMax = 8
/** What an entry costs beside its text: the node, its place in a map, the key. */
const overheadBytes = 200

type SegmentName = 'window' | 'probation' | 'protected'

/** A doubly linked ring in order of use, with what it holds in all. The head itself is no entry. */
class Segment {
  readonly head: Link = { previous: undefined, next: undefined, node: undefined }
  bytes = 0
  count = 0

  constructor() {
    this.head.previous = this.head
    this.head.next = this.head
  }
}

type Link = {
  previous: Link | undefined
  next: Link | undefined
  readonly node: Node<unknown> | undefined
}

/** An entry of the isolate tier. Readers may count in `hits`; everything else is the tier's. */
export type Node<T> = {
  value: T
  hits: number
  readonly key: string
  readonly hash: number
  readonly index: Map<string, Node<unknown>>
  link: Link
  bytes: number
  segment: Segment
  pinnedUntil: number
}

/** The entries of one namespace; all namespaces share the bounds. */
export type Shelf<T> = {
  /** The entry, without counting as a use. */
  peek(key: string): Node<T> | undefined
  /** The entry, used once more. A miss counts too, so that what is missed often is let in. */
  get(key: string): Node<T> | undefined
  /** About how often the key was asked for lately, here or not, 0 to 15. */
  uses(key: string): number
  /** Lets `value` in, unless it is larger than the tier; what is used least goes. */
  set(key: string, value: T, textBytes: number): void
  delete(key: string): void
  /** Keeps the entry, as far as there is room for others, until `until`. */
  pin(key: string, until: number): void
  nodes(): Iterable<Node<T>>
}

/**
 * An in-memory cache of bounded entries and bounded bytes that keeps what is used often, not only lately: W-TinyLFU.
 * Newcomers wait in a small window; one that leaves it stays only if it is used more than all it would displace.
 *
 * A use costs one map lookup, four counters and a relink. Bytes are those of the text of values plus 200 an entry: an
 * estimate of the heap, not a measure.
 *
 * @see Einziger, Friedman and Manes 2017, "TinyLFU"; Einziger, Eytan, Friedman and Manes 2021, "Lightweight Robust Size
 * Aware Cache Management" (aggregated victims)
 */
export class TinyLfu {
  readonly #bounds: Bounds
  readonly #sketch: FrequencySketch
  readonly #segments = { window: new Segment(), probation: new Segment(), protected: new Segment() }
  readonly #windowMax: { readonly entries: number; readonly bytes: number }
  readonly #protectedMax: { readonly entries: number; readonly bytes: number }
  readonly #now: () => number

  constructor(bounds: Bounds, now: () => number) {
    if (!(bounds.entriesMax >= 1 && bounds.bytesMax >= 1)) {
      throw new RangeError(
        'Cannot bound the isolate tier: entriesMax and bytesMax must be positive',
      )
    }
    this.#bounds = bounds
    this.#now = now
    this.#sketch = new FrequencySketch(bounds.entriesMax)
    this.#windowMax = {
      entries: Math.max(1, Math.floor(bounds.entriesMax * windowShare)),
      bytes: Math.max(1, Math.floor(bounds.bytesMax * windowShare)),
    }
    this.#protectedMax = {
      entries: Math.floor((bounds.entriesMax - this.#windowMax.entries) * protectedShare),
      bytes: Math.floor((bounds.bytesMax - this.#windowMax.bytes) * protectedShare),
    }
  }

  get size(): number {
    const { window, probation, protected: kept } = this.#segments
    return window.count + probation.count + kept.count
  }

  get bytes(): number {
    const { window, probation, protected: kept } = this.#segments
    return window.bytes + probation.bytes + kept.bytes
  }

  shelf<T>(name: string): Shelf<T> {
    const seed = xxh32(name)
    const index = new Map<string, Node<T>>()
    return {
      peek: (key) => index.get(key),
      get: (key) => {
        const node = index.get(key)
        if (node === undefined) this.#sketch.add(xxh32(key, seed))
        else this.#used(node)
        return node
      },
      set: (key, value, textBytes) => {
        const old = index.get(key)
        if (old !== undefined) {
          // A newer value of the same entry keeps its place.
          old.value = value
          this.#resize(old, textBytes + overheadBytes)
          return
        }
        const bytes = textBytes + overheadBytes
        if (bytes > this.#bounds.bytesMax) return
        const node: Node<T> = {
          value,
          hits: 0,
          key,
          hash: xxh32(key, seed),
          index,
          link: this.#segments.window.head,
          bytes,
          segment: this.#segments.window,
          pinnedUntil: 0,
        }
        index.set(key, node)
        this.#insert(node, 'window')
        this.#shrink()
      },
      uses: (key) => this.#sketch.estimate(xxh32(key, seed)),
      delete: (key) => {
        const node = index.get(key)
        if (node !== undefined) this.#remove(node)
      },
      pin: (key, until) => {
        const node = index.get(key)
        if (node !== undefined) node.pinnedUntil = until
      },
      nodes: () => index.values(),
    }
  }

  #used(node: Node<unknown>): void {
    this.#sketch.add(node.hash)
    if (node.segment !== this.#segments.probation) {
      this.#touch(node)
      return
    }
    this.#unlink(node)
    this.#insert(node, 'protected')
    const kept = this.#segments.protected
    while (
      (kept.count > this.#protectedMax.entries || kept.bytes > this.#protectedMax.bytes) &&
      kept.count > 1
    ) {
      this.#move(oldest(kept), 'probation')
    }
  }

  #resize(node: Node<unknown>, bytes: number): void {
    node.segment.bytes += bytes - node.bytes
    node.bytes = bytes
    if (bytes > this.#bounds.bytesMax) this.#remove(node)
    else this.#shrink()
  }

  /** Brings every segment, and the whole, back within its bounds. */
  #shrink(): void {
    const { window } = this.#segments
    while (
      window.count > 1 &&
      (window.count > this.#windowMax.entries || window.bytes > this.#windowMax.bytes)
    ) {
      this.#contend(oldest(window))
    }
    while (this.#excess(0, 0)) this.#remove(this.#victim() ?? oldest(window))
  }

  #excess(entries: number, bytes: number): boolean {
    return (
      this.size + entries > this.#bounds.entriesMax || this.bytes + bytes > this.#bounds.bytesMax
    )
  }

  /** A candidate leaves the window: in for good when there is room, or when it is used more than all that must go. */
  #contend(candidate: Node<unknown>): void {
    this.#move(candidate, 'probation')
    if (!this.#excess(0, 0)) return
    const victims: Node<unknown>[] = []
    let uses = 0
    let freedBytes = 0
    const rival = this.#sketch.estimate(candidate.hash)
    while (this.#excess(-victims.length, -freedBytes)) {
      const victim = this.#victim(candidate, victims.at(-1))
      if (victim === undefined) break
      victims.push(victim)
      freedBytes += victim.bytes
      uses += this.#sketch.estimate(victim.hash)
      if (uses >= rival) {
        this.#remove(candidate)
        return
      }
    }
    for (const victim of victims) this.#remove(victim)
  }

  /** The least lately used entry that may go: first of those used once. Behind `after` when given. */
  #victim(candidate?: Node<unknown>, after?: Node<unknown>): Node<unknown> | undefined {
    const now = this.#now()
    let skips = 0
    for (const name of ['probation', 'protected'] as const) {
      const segment = this.#segments[name]
      const isAfterIt = after !== undefined && after.segment !== segment && name === 'probation'
      if (isAfterIt) continue
      const from = after?.segment === segment ? after.link : segment.head
      for (let link = from.previous; link?.node !== undefined; link = link.previous) {
        if (link.node === candidate) continue
        if (link.node.pinnedUntil > now && skips < pinnedSkipsMax) skips += 1
        else return link.node
      }
    }
    return undefined
  }

  #move(node: Node<unknown>, to: SegmentName): void {
    this.#unlink(node)
    this.#insert(node, to)
  }

  #insert(node: Node<unknown>, to: SegmentName): void {
    const segment = this.#segments[to]
    const { head } = segment
    const link: Link = { previous: head, next: head.next, node }
    if (head.next !== undefined) head.next.previous = link
    head.next = link
    node.link = link
    node.segment = segment
    segment.count += 1
    segment.bytes += node.bytes
  }

  #touch(node: Node<unknown>): void {
    const { link } = node
    const { head } = node.segment
    if (head.next === link) return
    if (link.previous !== undefined) link.previous.next = link.next
    if (link.next !== undefined) link.next.previous = link.previous
    link.previous = head
    link.next = head.next
    if (head.next !== undefined) head.next.previous = link
    head.next = link
  }

  #unlink(node: Node<unknown>): void {
    const { link } = node
    const segment = node.segment
    if (link.previous !== undefined) link.previous.next = link.next
    if (link.next !== undefined) link.next.previous = link.previous
    segment.count -= 1
    segment.bytes -= node.bytes
  }

  #remove(node: Node<unknown>): void {
    this.#unlink(node)
    node.index.delete(node.key)
  }
}

function oldest(segment: Segment): Node<unknown> {
  const node = segment.head.previous?.node
  if (node === undefined) throw new RangeError('Cannot take the oldest entry of an empty segment')
  return node
}
