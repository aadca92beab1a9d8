import type { Answer, Engine, Exchange } from '../control/exchange.ts'
import { clockRoute } from './http/clock.ts'
import { route } from './http/router.ts'
import { newHub } from './hub.ts'
import type { Hub } from './hub.ts'
import { memoryJournal, openJournal } from './journal.ts'
import type { Journal } from './journal.ts'
import { payAsYouGo } from './limits.ts'
import type { Limits } from './limits.ts'
import { restore } from './restore.ts'
import { Runner } from './runner.ts'
import { devSigningKeys, devToken } from './signing-keys.ts'
import type { SigningKeys } from './signing-keys.ts'
import { fetchTransport } from './transport.ts'
import { VirtualClock } from './virtual-clock.ts'

export type QstashOptions = {
  /** Folder of `qstash.db`; `undefined` keeps everything in memory. */
  readonly dataDir: string | undefined
  /** Default: the public token of the vendor's development server, so that `QSTASH_DEV=1` clients connect. */
  readonly token?: string | undefined
  /** Default: the public development keys. Keys rotated earlier in `dataDir` win. */
  readonly signingKeys?: SigningKeys | undefined
  /** The base clock, unix ms. Default `Date.now`. */
  readonly now?: (() => number) | undefined
  /** Makes the deliveries. Default: the global `fetch`. */
  readonly fetch?: typeof fetch | undefined
  /** Ids and rotated keys, in [0, 1). Default `Math.random`. */
  readonly random?: (() => number) | undefined
  /** Default: {@link payAsYouGo}. */
  readonly limits?: Partial<Limits> | undefined
  /** Destination host → origin to call instead, such as `example.com` → `http://127.0.0.1:1234`. */
  readonly resolveHosts?: Readonly<Record<string, string>> | undefined
}

/**
 * A QStash that keeps its word over a restart: what was acknowledged is delivered at least once, what
 * was recorded as delivered is not delivered again. Deliveries begin at once.
 *
 * @throws when `dataDir` cannot be opened.
 */
export function createQstash(options: QstashOptions): Promise<Engine> {
  const { dataDir } = options
  const journal = dataDir === undefined ? memoryJournal() : openJournal(dataDir)
  const limits = { ...payAsYouGo, ...options.limits }
  const clock = new VirtualClock(options.now ?? Date.now, savedOffset(journal))
  const resolveHosts = options.resolveHosts ?? {}
  const hub = newHub({
    limits,
    journal,
    token: options.token ?? devToken,
    keys: options.signingKeys ?? devSigningKeys,
    now: () => clock.now(),
    random: options.random ?? Math.random,
    send: fetchTransport({ fetch: options.fetch ?? fetch, resolveHosts, limits }),
  })
  restore(hub)
  const runner = new Runner(hub, clock)
  runner.wake()
  return Promise.resolve({
    name: 'qstash',
    handle: (exchange) => handle(hub, exchange),
    databaseOf: () => undefined,
    control: { '/_local/clock': (exchange) => clockRoute({ hub, clock, runner }, exchange) },
    close: () => {
      runner.stop()
      journal.close()
      return Promise.resolve()
    },
  })
}

/** Changes are stored before they are acknowledged, and delivered only after they are stored. */
async function handle(hub: Hub, exchange: Exchange): Promise<Answer> {
  const answer = route(hub, exchange)
  if (exchange.method === 'GET') return answer
  await hub.journal.commit()
  hub.wake()
  return answer
}

function savedOffset(journal: Journal): number {
  const [row] = journal.read("SELECT value FROM record WHERE kind = 'setting' AND key = 'clock'")
  if (row === undefined) return 0
  const saved: unknown = JSON.parse(String(row['value']))
  if (typeof saved !== 'object' || saved === null || !('offsetMs' in saved)) return 0
  return typeof saved.offsetMs === 'number' ? saved.offsetMs : 0
}
