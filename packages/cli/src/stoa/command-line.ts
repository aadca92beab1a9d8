import { Command, InvalidArgumentError } from 'commander'

import { type Output, outputOf, tellFailure } from './output.ts'
import { listenForStop, type Stopper } from './stopper.ts'
import { findSystem, type System, type Where } from './system.ts'

/** What every command may be told. */
export type Common = Where & { readonly json?: boolean; readonly maxRate?: number }

/** What every command works with. */
export type Tools = { readonly system: System; readonly output: Output; readonly stopper: Stopper }

export function wholeNumber(text: string): number {
  const value = Number(text)
  if (/^\d{1,10}$/.test(text) && value > 0) return value
  throw new InvalidArgumentError('It must be a whole number from 1.')
}

export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, ...text.split(',')]
}

export function namesIn(text: string | undefined): readonly string[] {
  return text === undefined ? [] : text.split(',').map((name) => name.trim())
}

/** A command with what all have. */
export function plain(words: string, description: string): Command {
  const [name, ...operands] = words.split(' ')
  const command = new Command(name).description(description)
  for (const operand of operands) command.argument(operand)
  return command
    .option('--meta-url <URL>', 'the meta database (META_URL, or that of npm start)')
    .option('--token <TOKEN>', 'the token of all databases (LIBSQL_TOKEN)')
    .option('--libsql-port <PORT>', 'where the platform of npm start is (8791)')
    .option('--json', 'one JSON object a line')
    .exitOverride()
}

/** Runs a command to its exit code, whatever happens to it. */
export function run(words: Common, work: (tools: Tools) => Promise<number>): Promise<number> {
  const output = outputOf(words.json === true)
  const stopper = listenForStop()
  const begin = async () => work({ system: await findSystem(words, process.env), output, stopper })
  return begin()
    .catch((error: unknown) => tellFailure(output, error))
    .finally(() => stopper.close())
}

/** What a command ends with. */
export type Exit = { code: number }
