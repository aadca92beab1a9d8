import { textOf } from '../bytes.ts'
import type { Heard, Subscription } from '../engine.ts'

/** The events of a subscription as a `text/event-stream`: `data: message,<channel>,<message>`. */
export async function* eventStream(subscription: Subscription): AsyncGenerator<string> {
  for await (const heard of subscription) yield eventOf(heard)
}

function eventOf({ kind, parts }: Heard): string {
  const text = kind === 'monitor' ? monitorText(parts[0] ?? '') : [kind, ...parts].join(',')
  const lines = textOf(text).split(/\r?\n/)
  return `${lines.map((line) => `data: ${line}\n`).join('')}\n`
}

function monitorText(line: string): string {
  return line === 'OK' ? '"OK"' : line
}
