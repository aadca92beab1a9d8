import { Command } from 'commander'

import { type Common, type Exit, plain, run, wholeNumber } from './command-line.ts'
import { addReplicaOf, removeReplicaOf } from './replica-command.ts'
import { feedReplicas } from './replica-feeding.ts'
import { replicaStatus } from './replica-status.ts'

type AddWords = Common & { readonly name?: string; readonly weight?: number }

/** `replica add|remove|status|feed`. */
export function addReplica(program: Command, exit: Exit): void {
  const replica = new Command('replica')
    .description('copies of a shard that sessions may read at')
    .exitOverride()
  const adding = plain('add <shard>', 'make a copy, fill it, and name it in the topology')
    .option('--name <NAME>', 'of its database (<shard>-replica)')
    .option('--weight <N>', 'its share of the reads among equally fast ones (1)', wholeNumber)
    .action(async (shard: string, words: AddWords) => {
      const { name, weight } = words
      exit.code = await run(words, async (tools) => addReplicaOf({ ...tools, shard, name, weight }))
    })
  const removing = plain('remove <shard>', 'nobody reads at it, and nothing is kept for it')
    .option('--name <NAME>', 'of its database (<shard>-replica)')
    .action(async (shard: string, words: Common & { readonly name?: string }) => {
      const { name } = words
      exit.code = await run(words, async (tools) => removeReplicaOf({ ...tools, shard, name }))
    })
  const asking = plain('status [shard]', 'how far behind each is').action(
    async (shard: string | undefined, words: Common) => {
      exit.code = await run(words, async (tools) => replicaStatus({ ...tools, shard }))
    },
  )
  const feeding = plain('feed [shard]', 'keep them level, until Ctrl-C')
    .option('--once', 'until they are level')
    .action(async (shard: string | undefined, words: Common & { readonly once?: boolean }) => {
      const isOnce = words.once === true
      exit.code = await run(words, async (tools) => feedReplicas({ ...tools, shard, isOnce }))
    })
  for (const command of [adding, removing, asking, feeding]) replica.addCommand(command)
  program.addCommand(replica)
}
