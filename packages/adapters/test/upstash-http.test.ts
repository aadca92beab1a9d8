import { queueContract, redisContract } from '@stoa/kernel/contract'

import { qstashQueue } from '../src/qstash.ts'
import { upstashRedis } from '../src/upstash-redis.ts'
import { devTokens, openLocal } from './local-server.ts'

redisContract('Upstash Redis over HTTP', async () => {
  const server = await openLocal('redis')
  const port = upstashRedis({ name: 'hot', url: server.url, token: devTokens.redis })
  return { port, close: server.close }
})

queueContract('QStash over HTTP', async () => {
  const server = await openLocal('qstash')
  const port = qstashQueue({ url: server.url, token: devTokens.qstash })
  return { port, url: 'http://127.0.0.1:9/in', close: server.close }
})
