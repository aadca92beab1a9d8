import { Command } from 'commander'

import { type Common, type Exit, plain, run } from './command-line.ts'
import { publish, spread, status } from './reference-command.ts'

type PublishWords = Common & {
  readonly file: string
  readonly over?: number
  readonly beyond?: number
}

function versionNumber(text: string): number {
  return /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
}

/** `reference publish|spread|status`. */
export function addReference(program: Command, exit: Exit): void {
  const reference = new Command('reference')
    .description('small tables that are the same in every database')
    .exitOverride()
  const publishing = plain('publish <name>', 'make the rows of a file the newest version')
    .requiredOption('--file <FILE>', 'JSON: {"columns": [...], "rows": [[...]]}, the key first')
    .option('--over <VERSION>', 'only over this version; 0 when there is none', versionNumber)
    .option('--beyond <VERSION>', 'after this version, which copies have', versionNumber)
    .action(async (name: string, words: PublishWords) => {
      const { file, over, beyond } = words
      exit.code = await run(words, async (tools) => publish({ ...tools, name, file, over, beyond }))
    })
  const spreading = plain('spread [name]', 'bring every database to the newest version').action(
    async (name: string | undefined, words: Common) => {
      exit.code = await run(words, async (tools) => spread({ ...tools, name }))
    },
  )
  const asking = plain('status [name]', 'which databases lag, and which have other rows').action(
    async (name: string | undefined, words: Common) => {
      exit.code = await run(words, async (tools) => status({ ...tools, name }))
    },
  )
  for (const command of [publishing, spreading, asking]) reference.addCommand(command)
  program.addCommand(reference)
}
