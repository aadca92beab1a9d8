import {
  AmbiguousWriteError,
  type Call,
  type Clock,
  Fault,
  type Random,
  type Rows,
  SqlConstraintError,
  type Statement,
} from '@stoa/kernel'
import type { Router } from '@stoa/sharding'

import { barrier, type Branch, type BranchOp, type Outcome } from './barrier.ts'

/** How often an operation whose reply is lost is sent before its caller must decide. */
const attemptsMax = 2

const tokenBytes = 16

/** A branch was asked for what its order forbids: to confirm what was not tried, or to confirm and cancel. */
export class BranchOrderError extends Fault {
  override readonly name = 'BranchOrderError'
  override readonly code = 'branch_out_of_order'
  override readonly kind = 'failed_precondition'
  readonly op: BranchOp

  constructor({ gid, branch }: Branch, op: BranchOp, options?: ErrorOptions) {
    super(`Cannot ${op} branch "${branch}" of "${gid}": its other operations forbid it`, options)
    this.op = op
  }
}

export type BranchesDeps = {
  readonly keyspace: Pick<Router, 'write'>
  readonly clock: Clock
  readonly random: Random
}

export type Operation = Branch & { readonly op: BranchOp }

export type Branches = {
  /**
   * Runs one operation of a branch behind its barrier. One round trip; a lost reply costs one more, under a fresh
   * token. Safe to call as often as wanted, from as many places as wanted.
   *
   * @throws BranchOrderError, SqlConstraintError, ShardFencedError, ShardBusyError, ShardUnavailableError: nothing was
   *   written. @throws AmbiguousWriteError when two replies were lost: call again.
   */
  run(
    operation: Operation,
    work: (gate: Statement, at: number) => readonly Statement[],
    call: Call,
  ): Promise<Outcome>
}

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** 128 random bits in hexadecimal: a token for one attempt. */
export function newToken(random: Random): string {
  let token = ''
  for (const byte of random.bytes(tokenBytes)) token += hex[byte] ?? ''
  return token
}

function isOutOfOrder(error: unknown): boolean {
  return error instanceof SqlConstraintError && error.constraint === 'barrier.reason'
}

/** Runs operations of branches in one keyspace. */
export function createBranches({ keyspace, clock, random }: BranchesDeps): Branches {
  return {
    run: async (operation, work, call) => {
      for (let attempts = 1; ; attempts += 1) {
        const at = clock.now()
        const attempt = { ...operation, token: newToken(random), at }
        const batch = barrier(attempt, (gate) => work(gate, at))
        try {
          const rows: readonly Rows[] = await keyspace.write(operation.key, batch.statements, call)
          return batch.outcome(rows)
        } catch (error) {
          if (isOutOfOrder(error))
            throw new BranchOrderError(operation, operation.op, { cause: error })
          if (!(error instanceof AmbiguousWriteError) || attempts >= attemptsMax) throw error
        }
      }
    },
  }
}
