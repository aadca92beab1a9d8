import {
  BadSignatureError,
  type Clock,
  type Published,
  type QueueMessage,
  type QueuePort,
  type QueueVerifier,
  type SignedDelivery,
} from '@stoa/kernel'

/** QStash forgets a deduplication id after this long. */
const deduplicationMs = 600_000

/** A message that was taken, and from when on it may be delivered. */
export type TakenMessage = QueueMessage & { readonly messageId: string; readonly dueAt: number }

export type MemoryQueue = QueuePort &
  QueueVerifier & {
    /** Takes out, oldest first, what is due by the clock. Delivering it is the test's business. */
    takeDue(): readonly TakenMessage[]
    /** The signature that {@link QueueVerifier.verify} believes. Not cryptographic. */
    sign(delivery: Omit<SignedDelivery, 'signature'>): string
  }

/** A queue that keeps its messages until the test takes them out. Refuses URLs that are not HTTP. */
export function memoryQueue(clock: Clock): MemoryQueue {
  let waiting: readonly TakenMessage[] = []
  const known = new Map<string, { readonly messageId: string; readonly at: number }>()
  let count = 0

  const take = (message: QueueMessage): Published => {
    if (!/^https?:\/\//.test(message.url)) return { error: `unknown destination ${message.url}` }
    const twin = known.get(message.deduplicationId ?? '')
    if (twin && clock.now() - twin.at < deduplicationMs) {
      return { messageId: twin.messageId, deduplicated: true }
    }
    count += 1
    const messageId = `msg_${count}`
    const dueAt = message.notBefore ?? clock.now() + (message.delayMs ?? 0)
    waiting = [...waiting, { ...message, messageId, dueAt }]
    if (message.deduplicationId !== undefined) {
      known.set(message.deduplicationId, { messageId, at: clock.now() })
    }
    return { messageId, deduplicated: false }
  }

  return {
    sign,
    async publish(messages, call) {
      call.signal.throwIfAborted()
      return messages.map(take)
    },
    async verify(delivery, call) {
      call.signal.throwIfAborted()
      if (delivery.signature !== sign(delivery)) throw new BadSignatureError()
    },
    takeDue() {
      const due = waiting.filter((message) => message.dueAt <= clock.now())
      waiting = waiting.filter((message) => message.dueAt > clock.now())
      return due.toSorted((a, b) => a.dueAt - b.dueAt)
    },
  }
}

function sign({ body, url }: Omit<SignedDelivery, 'signature'>): string {
  return `memory ${url} ${body}`
}
