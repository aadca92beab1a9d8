import { createServer } from 'node:net'

import { type Deployment, deploy, type Shape } from '@stoa/cli'

import { type Platform, startPlatform } from './platform.ts'

export type SystemOptions = {
  readonly shape: Shape
  readonly shardsPerKeyspace: number
  /** @see PlatformOptions.supervised */
  readonly supervised?: boolean
}

/** The whole system in workerd over the real local servers: what the journeys walk through. */
export type System = Platform & {
  readonly url: string
  readonly runScheduled: Deployment['runScheduled']
  /** Ends every Worker in the midst of what it does, and starts it anew with empty memory. */
  readonly restartWorkers: Deployment['reload']
}

/** A port that was free a moment ago: the queue must know the gateway's address before the gateway is there. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      probe.close(() => resolve(port))
    })
  })
}

export async function startSystem(options: SystemOptions): Promise<System> {
  const { shape, shardsPerKeyspace, supervised = false } = options
  const port = await freePort()
  const platform = await startPlatform({
    shardsPerKeyspace,
    supervised,
    publicUrl: `http://127.0.0.1:${port}`,
  })
  try {
    const env = { ...platform.env, ALLOW_LOOPBACK_WEBHOOKS: 'true' }
    const deployment = await deploy({ shape, port, env })
    return {
      ...platform,
      url: deployment.url,
      runScheduled: deployment.runScheduled,
      restartWorkers: deployment.reload,
      close: async () => {
        await deployment.close()
        await platform.close()
      },
    }
  } catch (error) {
    await platform.close()
    throw error
  }
}
