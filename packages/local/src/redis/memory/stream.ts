import type { Bytes } from '../bytes.ts'
import { ReplyError } from '../reply.ts'

export type StreamId = { readonly ms: bigint; readonly seq: bigint }
/**
 * The node of Redis' tree that would hold an entry: approximate trimming removes whole nodes. Its last id and its
 * size count deleted entries too.
 */
type StreamNode = { last: StreamId; taken: number }
export type StreamEntry = {
  readonly id: StreamId
  readonly fields: readonly Bytes[]
  readonly node: StreamNode
}

/**
 * A log of entries in the order of their ids. What was deleted is still counted by `added` and bounded by `last`;
 * `maxDeleted` is the largest id that XDEL took, trimming does not count.
 */
export type Stream = {
  entries: StreamEntry[]
  last: StreamId
  maxDeleted: StreamId
  added: number
}

export const maxPart = 2n ** 64n - 1n
export const firstId: StreamId = { ms: 0n, seq: 0n }
export const lastId: StreamId = { ms: maxPart, seq: maxPart }

export function emptyStream(): Stream {
  return { entries: [], last: firstId, maxDeleted: firstId, added: 0 }
}

/** stream-node-max-entries; the limit by bytes is switched off in the server engine too. */
const nodeEntries = 100

export function append(stream: Stream, id: StreamId, fields: readonly Bytes[]): void {
  const tail = stream.entries.at(-1)?.node
  const node = tail && tail.taken < nodeEntries ? tail : { last: id, taken: 0 }
  node.last = id
  node.taken++
  stream.entries.push({ id, fields, node })
  stream.last = id
  stream.added++
}

export function copyStream(stream: Stream): Stream {
  const nodes = new Map<StreamNode, StreamNode>()
  const copied = (node: StreamNode) => {
    const found = nodes.get(node) ?? { ...node }
    nodes.set(node, found)
    return found
  }
  const entries = stream.entries.map((entry) => ({ ...entry, node: copied(entry.node) }))
  return { ...stream, entries }
}

export function idText({ ms, seq }: StreamId): Bytes {
  return `${ms}-${seq}`
}

export function compareIds(left: StreamId, right: StreamId): number {
  if (left.ms !== right.ms) return left.ms < right.ms ? -1 : 1
  if (left.seq === right.seq) return 0
  return left.seq < right.seq ? -1 : 1
}

const pattern = /^(\d{1,20})(?:-(\d{1,20}))?$/

export const invalidId = (): ReplyError =>
  new ReplyError('ERR Invalid stream ID specified as stream command argument')

/** Reads `ms-seq`, or `ms` with `missingSeq`. @throws ReplyError when it is neither. */
export function idOf(text: Bytes, missingSeq: bigint): StreamId {
  const match = pattern.exec(text)
  if (!match) throw invalidId()
  const ms = BigInt(match[1] ?? '')
  const seq = match[2] === undefined ? missingSeq : BigInt(match[2])
  if (ms > maxPart || seq > maxPart) throw invalidId()
  return { ms, seq }
}

/** The id right after `id`, or undefined after the very last. */
export function successor({ ms, seq }: StreamId): StreamId | undefined {
  if (seq < maxPart) return { ms, seq: seq + 1n }
  return ms < maxPart ? { ms: ms + 1n, seq: 0n } : undefined
}

export function predecessor({ ms, seq }: StreamId): StreamId | undefined {
  if (seq > 0n) return { ms, seq: seq - 1n }
  return ms > 0n ? { ms: ms - 1n, seq: maxPart } : undefined
}

/** The index of the first entry at or after `id`. */
export function positionOf({ entries }: Stream, id: StreamId): number {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const entry = entries[middle]
    if (entry && compareIds(entry.id, id) >= 0) high = middle
    else low = middle + 1
  }
  return low
}
