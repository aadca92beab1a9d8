import type { Call, RedisPort } from '@stoa/kernel'

import { DeltaTable } from './delta-table.ts'
import { BufferFullError } from './faults.ts'
import type { Kind } from './kind.ts'
import type { Handle } from './subject.ts'

/** How long a best-effort counter that nobody touches is kept, in seconds. */
const keptSeconds = 30 * 86_400

/**
 * Counters that live in Redis alone: cheap, fresh, and lossy. A batch is sent once and never again, so that nothing is
 * counted twice.
 */
export class BestEffort {
  readonly #redis: RedisPort
  readonly #objectsMax: number
  #tables = new Map<string, { readonly kind: Kind; readonly table: DeltaTable }>()
  size = 0

  constructor(redis: RedisPort, objectsMax: number) {
    this.#redis = redis
    this.#objectsMax = objectsMax
  }

  /** @throws BufferFullError, and as {@link DeltaTable.addTo}; nothing was counted then. */
  count(kind: Kind, object: string | Handle, deltas: readonly (readonly [number, number])[]): void {
    if (this.size >= this.#objectsMax) throw new BufferFullError('best-effort')
    const known = this.#tables.get(kind.name) ?? {
      kind,
      table: new DeltaTable(kind.metrics.map(({ name }) => name)),
    }
    this.#tables.set(kind.name, known)
    known.table.addAll(object, deltas)
    this.size = [...this.#tables.values()].reduce((sum, { table }) => sum + table.size, 0)
  }

  /**
   * Sends what was counted: one command for each counter, and one for each object. One round trip.
   *
   * @throws as {@link RedisPort.pipeline}; what was to be sent is then lost, or counted: nobody can tell.
   */
  async flush(call: Call): Promise<void> {
    const tables = [...this.#tables.values()]
    this.#tables = new Map()
    this.size = 0
    const commands = tables.flatMap(({ kind, table }) =>
      [...table.entries()].flatMap(([id, deltas]) => {
        const key = keyOf(kind, id)
        const adds = deltas.flatMap((by, metric) =>
          by === 0 ? [] : [['HINCRBY', key, String(metric), by]],
        )
        return [...adds, ['EXPIRE', key, keptSeconds]]
      }),
    )
    if (commands.length > 0) await this.#redis.pipeline(commands, call, { idempotent: false })
  }

  /** The values of `ids`, one list each. One round trip, one command an object. */
  async read(
    kind: Kind,
    ids: readonly string[],
    call: Call,
  ): Promise<readonly (readonly number[])[]> {
    const fields = kind.metrics.map((_, index) => String(index))
    const commands = ids.map((id) => ['HMGET', keyOf(kind, id), ...fields])
    const answers = await this.#redis.pipeline(commands, call, { idempotent: true })
    return answers.map((answer) => {
      const list = 'result' in answer && Array.isArray(answer.result) ? answer.result : []
      return fields.map((_, index) => Number(list[index] ?? 0))
    })
  }
}

function keyOf(kind: Kind, id: string): string {
  return `best:${kind.name}:${id}`
}
