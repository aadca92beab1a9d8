import { mkdir } from 'node:fs/promises'
import path from 'node:path'

import { devTokens, type LocalConfig, refuseProduction, type ServerName } from './config.ts'
import type { Engine } from './control/exchange.ts'
import { Faults } from './control/faults.ts'
import { faultyFetch } from './control/faulty-fetch.ts'
import { type Front, openFront } from './control/front.ts'
import { Meter } from './control/meter.ts'

export type OpenServer = Front & { readonly name: ServerName; readonly url: string }

type Origin = () => string

async function openEngine(
  name: ServerName,
  config: LocalConfig,
  deps: { faults: Faults; origin: Origin },
): Promise<Engine> {
  const dataDir = path.join(config.dataDir, name)
  await mkdir(dataDir, { recursive: true })
  const { origin, faults } = deps
  switch (name) {
    case 'libsql': {
      const { createLibsql } = await import('./libsql/index.ts')
      return createLibsql({ dataDir, origin, token: devTokens.libsql })
    }
    case 'redis': {
      const { createRedis } = await import('./redis/index.ts')
      return createRedis({
        dataDir,
        origin,
        token: devTokens.redis,
        readOnlyToken: devTokens.redisReadOnly,
        engine: config.redisEngine,
      })
    }
    case 'qstash': {
      const { createQstash } = await import('./qstash/index.ts')
      return createQstash({ dataDir, token: devTokens.qstash, fetch: faultyFetch(faults) })
    }
    case 'psp': {
      const { createPsp } = await import('./psp/index.ts')
      const { psp: key, pspCallbacks: callbackSecret } = devTokens
      return createPsp({ dataDir, key, callbackSecret, fetch: faultyFetch(faults) })
    }
  }
}

/**
 * Opens one of the servers in this process.
 *
 * @throws PortTakenError when its port is in use, InvalidConfigError when `NODE_ENV` is `production`.
 */
export async function openServer(name: ServerName, config: LocalConfig): Promise<OpenServer> {
  refuseProduction(process.env)
  const faults = new Faults()
  let port = config.ports[name] ?? 0
  const origin = () => `http://127.0.0.1:${port}`
  const engine = await openEngine(name, config, { faults, origin })
  try {
    const front = await openFront({ engine, faults, meter: new Meter(), port })
    port = front.port
    return {
      name,
      port,
      url: origin(),
      close: async () => {
        await front.close()
        await engine.close()
      },
    }
  } catch (error) {
    await engine.close()
    throw error
  }
}
