import { type LocalConfig, serverNames } from './config.ts'
import { PortTakenError } from './control/front.ts'
import { type OpenServer, openServer } from './open-server.ts'

/** What a server process tells its supervisor. */
export type ServerMessage =
  | { readonly type: 'ready'; readonly port: number }
  | { readonly type: 'failed'; readonly message: string }

function tell(message: ServerMessage): void {
  process.send?.(message)
}

/** One server as a process of its own: it ends when it is told to, or when its supervisor is gone. */
async function serve(): Promise<void> {
  const name = serverNames.find((each) => each === process.argv[2])
  if (name === undefined) throw new Error(`Cannot serve "${process.argv[2] ?? ''}": no such server`)
  const config = JSON.parse(process.argv[3] ?? '') as LocalConfig
  let server: OpenServer
  try {
    server = await openServer(name, config)
  } catch (error) {
    tell({ type: 'failed', message: error instanceof Error ? error.message : String(error) })
    process.exitCode = error instanceof PortTakenError ? 2 : 1
    process.disconnect()
    return
  }
  let ending: Promise<void> | undefined
  const end = () => {
    ending ??= server.close().then(() => process.exit(0))
  }
  // Ctrl-C reaches the whole process group; the supervisor decides when a server ends.
  process.on('SIGINT', () => undefined)
  process.on('SIGTERM', end)
  process.on('disconnect', end)
  tell({ type: 'ready', port: server.port })
}

await serve()
