import { Fault } from '@stoa/kernel'

/** Nothing answers where the databases should be. */
export class NoSystemError extends Fault {
  override readonly name = 'NoSystemError'
  override readonly code = 'no_system'
  override readonly kind = 'unavailable'
}

/** The words of a command do not say what to do. Nothing was changed. */
export class BadCommandError extends Fault {
  override readonly name = 'BadCommandError'
  override readonly code = 'bad_command'
  override readonly kind = 'invalid_argument'
}

/** A keyspace or a shard that the topology does not have. Nothing was changed. */
export class UnknownShardError extends Fault {
  override readonly name = 'UnknownShardError'
  override readonly code = 'unknown_shard'
  override readonly kind = 'not_found'

  constructor(what: string, name: string, known: readonly string[]) {
    super(`Cannot find ${what} "${name}": there is ${known.join(', ') || 'none'}`)
  }
}

/** Two of the ranges that are to move share keys. Nothing was changed. */
export class OverlappingRangesError extends Fault {
  override readonly name = 'OverlappingRangesError'
  override readonly code = 'overlapping_ranges'
  override readonly kind = 'invalid_argument'

  constructor(one: string, other: string) {
    super(`Cannot move "${one}" and "${other}": they overlap`)
  }
}

/** A database of that name holds another shard already. Nothing was changed. */
export class DatabaseTakenError extends Fault {
  override readonly name = 'DatabaseTakenError'
  override readonly code = 'database_taken'
  override readonly kind = 'failed_precondition'

  constructor(name: string, why: string) {
    super(`Cannot use database "${name}" as a new shard: ${why}`)
  }
}

/** The change was not agreed to. Nothing was changed. */
export class NotConfirmedError extends Fault {
  override readonly name = 'NotConfirmedError'
  override readonly code = 'not_confirmed'
  override readonly kind = 'failed_precondition'

  constructor() {
    super('Cannot begin: nobody has agreed to the plan')
  }
}

/** A move was taken back: the source owns all that it had. */
export class MoveTakenBackError extends Fault {
  override readonly name = 'MoveTakenBackError'
  override readonly code = 'move_taken_back'
  override readonly kind = 'aborted'

  constructor(id: string, note: string | undefined) {
    super(`Cannot finish move "${id}": it was taken back${note === undefined ? '' : `; ${note}`}`)
  }
}

/** Somebody has given up the plan of which this was a part. What was moved stays where it is. */
export class PlanDroppedError extends Fault {
  override readonly name = 'PlanDroppedError'
  override readonly code = 'plan_dropped'
  override readonly kind = 'aborted'

  constructor(id: string) {
    super(`Cannot go on with plan "${id}": it was given up`)
  }
}

/** What a person does about a failure, by its code. */
const advice: Readonly<Record<string, string>> = {
  no_system: 'run "npm start" in another terminal, or give --meta-url and --token',
  bad_command: 'npm run stoa -- --help, or <verb> --help',
  unknown_shard: 'npm run stoa -- shards',
  overlapping_ranges: 'name each key once',
  database_taken: 'choose another name with --to',
  not_confirmed: 'look at the plan and give --yes',
  move_taken_back: 'mend what it says, then give the same command again',
  target_not_empty: 'delete those rows when they are a failed copy, or choose another database',
  move_conflict: 'npm run stoa -- jobs shows what is at work there; wait, resume it or abort it',
  schema_mismatch: 'npm run stoa -- migrate',
  invalid_topology:
    'npm run stoa -- shards shows what each database owns; repair the topology first',
  invalid_placement: 'npm run stoa -- shards shows who holds what',
  wrong_incarnation: 'it was restored or copied: adopt it before anything moves',
  move_phase:
    'npm run stoa -- jobs shows how far it is; one that is done is moved back by a new move',
  move_not_found: 'npm run stoa -- jobs --all',
  plan_dropped: 'npm run stoa -- shards shows what was moved; give the command anew for the rest',
  reference_conflict: 'look at what was published meanwhile: npm run stoa -- reference status',
  reference_not_found: 'npm run stoa -- reference publish NAME --file FILE',
  reference_too_large: 'it is no reference table: shard it by its key',
  invalid_reference: 'correct the file',
  reference_unlike: 'give text for text columns and numbers for numbers, and publish again',
  replica_mismatch: 'npm run stoa -- migrate, or take another --name',
  import_target: 'npm run stoa -- shards shows the keyspaces and their tables',
  import_stopped: 'give the same command again: it goes on',
}

const reasons: Readonly<Record<string, string>> = {
  unauthorized: 'give the right --token or LIBSQL_TOKEN',
  unknown_database: 'look at --meta-url, and whether the database was deleted',
  network: 'look whether the database is up, then give the same command again',
}

/** What to do about a fault; `undefined` when its message says all. */
export function adviceOn(fault: Fault): string | undefined {
  const reason = 'reason' in fault ? reasons[String(fault.reason)] : undefined
  return reason ?? advice[fault.code]
}
