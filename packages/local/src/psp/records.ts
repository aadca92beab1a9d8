import { randomBytes } from 'node:crypto'
import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs'
import path from 'node:path'

import { type PspPayment, PspRefusal } from './model.ts'

export function newRef(prefix: string): string {
  return `${prefix}_${randomBytes(9).toString('hex')}`
}

/**
 * The provider's own books: every change is a line of a file before it is told to anybody, so that a killed provider
 * comes back with all that it has said.
 */
export class Records {
  readonly #file: string | undefined
  readonly #byRef = new Map<string, PspPayment>()
  readonly #byKey = new Map<string, string>()

  /** `undefined` keeps everything in memory. */
  constructor(dataDir: string | undefined) {
    this.#file = dataDir === undefined ? undefined : path.join(dataDir, 'payments.ndjson')
    if (this.#file === undefined || !existsSync(this.#file)) return
    const text = readFileSync(this.#file, 'utf8')
    // A last line without its end is what a kill left: nobody was told of it.
    const whole = text.slice(0, text.lastIndexOf('\n') + 1)
    if (whole !== text) truncateSync(this.#file, Buffer.byteLength(whole))
    for (const line of whole.split('\n').slice(0, -1)) this.#keep(JSON.parse(line) as PspPayment)
  }

  #keep(payment: PspPayment): void {
    this.#byRef.set(payment.ref, payment)
    this.#byKey.set(payment.key, payment.ref)
  }

  save(payment: PspPayment): PspPayment {
    if (this.#file !== undefined) appendFileSync(this.#file, `${JSON.stringify(payment)}\n`)
    this.#keep(payment)
    return payment
  }

  byKey(key: string): PspPayment | undefined {
    const ref = this.#byKey.get(key)
    return ref === undefined ? undefined : this.#byRef.get(ref)
  }

  /** @throws PspRefusal when there is none. */
  get(ref: string): PspPayment {
    const found = this.#byRef.get(ref)
    if (found !== undefined) return found
    throw new PspRefusal(404, 'payment_not_found', 'there is no such payment')
  }

  all(): readonly PspPayment[] {
    return [...this.#byRef.values()]
  }
}
