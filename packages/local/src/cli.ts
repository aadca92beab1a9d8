#!/usr/bin/env node
import path from 'node:path'

import { clientEnv, InvalidConfigError, readConfig } from './config.ts'
import { supervise } from './supervise.ts'
import { untilTold } from './until-told.ts'

const usage = `Usage: npm run local [-- options]
  --data-dir DIR        where the data lives        (STOA_DATA_DIR, .stoa/local)
  --libsql-port PORT    libSQL over HTTP            (STOA_LIBSQL_PORT, 8791)
  --redis-port PORT     Upstash Redis over REST     (STOA_REDIS_PORT, 8792)
  --qstash-port PORT    QStash                      (STOA_QSTASH_PORT, 8793)
  --psp-port PORT       the payment provider        (STOA_PSP_PORT, 8794)
  --redis-engine NAME   auto, server or in-process  (STOA_REDIS_ENGINE, auto)
`

async function main(): Promise<number> {
  const argv = process.argv.slice(2)
  if (argv.includes('--help') || argv.includes('-h')) {
    console.log(usage)
    return 0
  }
  const ended = untilTold()
  try {
    const config = readConfig(argv, process.env)
    const servers = await supervise(config, (name, why) => {
      console.error(`${name} ended (${why}); it is started again`)
    })
    console.log(`The local platform is up; its data is in ${path.resolve(config.dataDir)}.\n`)
    for (const [name, value] of Object.entries(clientEnv(servers.ports)))
      console.log(`export ${name}=${value}`)
    console.log('\nCtrl-C ends it.')
    await ended
    await servers.close()
    return 0
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    console.error(error instanceof InvalidConfigError ? `${message}\n\n${usage}` : message)
    return 1
  }
}

process.exitCode = await main()
