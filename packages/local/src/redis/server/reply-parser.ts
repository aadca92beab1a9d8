import { ReplyError, type Reply } from '../reply.ts'

type Open = { readonly items: Reply[]; left: number }

const carriageReturn = 13

/**
 * Reads RESP2 as it comes off the socket. What has been read is never read again, however a reply is cut up, and a
 * long string is only joined once all of it is there.
 */
export class ReplyParser {
  readonly #onReply: (reply: Reply) => void
  readonly #open: Open[] = []
  #chunks: Buffer[] = []
  #waiting = 0
  #needed = 1

  constructor(onReply: (reply: Reply) => void) {
    this.#onReply = onReply
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#waiting += chunk.length
    if (this.#waiting < this.#needed) return
    const buffer = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    const read = this.#readAll(buffer)
    this.#chunks = read < buffer.length ? [buffer.subarray(read)] : []
    this.#waiting = buffer.length - read
  }

  /** Reads every whole element and returns where the rest begins. */
  #readAll(buffer: Buffer): number {
    let at = 0
    this.#needed = 1
    for (;;) {
      const end = buffer.indexOf(carriageReturn, at)
      if (end < 0 || end + 1 >= buffer.length) {
        this.#needed = buffer.length - at + 1
        return at
      }
      const kind = buffer[at]
      if (kind === 36) {
        const length = Number(buffer.toString('latin1', at + 1, end))
        const stop = end + 2 + length
        if (length >= 0 && stop + 2 > buffer.length) {
          this.#needed = stop + 2 - at
          return at
        }
        this.#accept(length < 0 ? null : buffer.toString('latin1', end + 2, stop))
        at = length < 0 ? end + 2 : stop + 2
      } else {
        this.#acceptLine(kind, buffer.toString('latin1', at + 1, end))
        at = end + 2
      }
    }
  }

  #acceptLine(kind: number | undefined, line: string): void {
    switch (kind ?? 0) {
      case 43:
        return this.#accept({ status: line })
      case 45:
        return this.#accept(new ReplyError(line))
      case 58:
        return this.#accept(integerOf(line))
      case 42:
        return this.#openList(Number(line))
      default:
        throw new Error(`Cannot read a reply that begins with byte ${kind}`)
    }
  }

  #openList(length: number): void {
    if (length < 0) this.#accept(null)
    else if (length === 0) this.#accept([])
    else this.#open.push({ items: [], left: length })
  }

  #accept(reply: Reply): void {
    let done = reply
    for (;;) {
      const list = this.#open.at(-1)
      if (!list) return this.#onReply(done)
      list.items.push(done)
      if (--list.left > 0) return
      this.#open.pop()
      done = list.items
    }
  }
}

function integerOf(line: string): number | bigint {
  const near = Number(line)
  return Number.isSafeInteger(near) ? near : BigInt(line)
}
