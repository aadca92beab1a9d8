import { bitfields } from './bitfield.ts'
import { bits } from './bits.ts'
import type { Command } from './command.ts'
import { expiryCommands } from './expiry.ts'
import { hashes } from './hashes.ts'
import { hyperLogLogs } from './hyperloglog.ts'
import { keyCommands } from './keys.ts'
import { lists } from './lists.ts'
import { scripting } from './scripting.ts'
import { commandCommand, serverCommands } from './server-commands.ts'
import { sets } from './sets.ts'
import { sortedSetQueries } from './sorted-set-queries.ts'
import { sortedSets } from './sorted-sets.ts'
import { streams } from './streams.ts'
import { strings } from './strings.ts'

const table: Readonly<Record<string, Command>> = {
  ...strings,
  ...bits,
  ...bitfields,
  ...keyCommands,
  ...expiryCommands,
  ...hashes,
  ...lists,
  ...sets,
  ...sortedSets,
  ...sortedSetQueries,
  ...streams,
  ...hyperLogLogs,
  ...serverCommands,
  ...scripting,
}

const byName = new Map(Object.entries({ ...table, COMMAND: commandCommand(table) }))

/** The command of that upper-case name. */
export function findCommand(name: string): Command | undefined {
  return byName.get(name)
}
