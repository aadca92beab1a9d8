import { type KeyspaceAccess } from '@stoa/adapters/keyspace'
import { rowsOf, statement } from '@stoa/adapters/libsql'
import type { Cache, Loaded } from '@stoa/caching'
import { credential, member as members } from '@stoa/data/users'
import { type Call, prefixOf, SqlConstraintError } from '@stoa/kernel'
import { type Claim, claimAll, inWaves, type LookupIndex } from '@stoa/sharding'
import { eq } from 'drizzle-orm'

import { HandleTakenError, type Member, type Profile } from '../domain/member.ts'
import type { Account, Claimed, ImportStore, MemberStore } from '../domain/ports.ts'
import { db } from './builder.ts'

const columns = {
  id: members.id,
  handle: members.handle,
  email: members.email,
  name: members.name,
  createdAt: members.createdAt,
}

function claimsOf({ id, handle, email }: Member): readonly [Claim, Claim] {
  return [
    { kind: 'handle', text: handle, owner: id },
    { kind: 'email', text: email, owner: id },
  ]
}

async function getAccount(
  access: KeyspaceAccess,
  id: string,
  call: Call,
): Promise<Account | undefined> {
  const query = db
    .select({ ...columns, hash: credential.hash })
    .from(members)
    .leftJoin(credential, eq(credential.member, members.id))
    .where(eq(members.id, id))
    .limit(1)
  const rows = await access.router.read(id, statement(query), call)
  const [row] = await rowsOf(query, rows)
  if (row === undefined) return undefined
  const { hash, ...member } = row
  return { member, passwordHash: hash ?? undefined }
}

async function getMember(
  access: KeyspaceAccess,
  id: string,
  call: Call,
): Promise<Member | undefined> {
  const query = db.select(columns).from(members).where(eq(members.id, id)).limit(1)
  const [row] = await rowsOf(query, await access.router.read(id, statement(query), call))
  return row
}

/** No e-mail address lies in a cache. */
async function readProfile(
  access: KeyspaceAccess,
  id: string,
  call: Call,
): Promise<Loaded<Profile>> {
  const query = db
    .select({
      id: members.id,
      handle: members.handle,
      name: members.name,
      createdAt: members.createdAt,
      version: members.version,
    })
    .from(members)
    .where(eq(members.id, id))
    .limit(1)
  const [row] = await rowsOf(query, await access.router.read(id, statement(query), call))
  if (row === undefined) return { value: undefined }
  const { version, ...value } = row
  return { value, version }
}

function insertMember(member: Member) {
  return db.insert(members).values({ ...member, version: 1 })
}

async function claim({ access, lookup }: Store, member: Member, call: Call): Promise<Claimed> {
  const claimed = await claimAll(
    lookup,
    {
      claims: claimsOf(member),
      exists: async (owner, { kind, text }) => {
        const holder = await getMember(access, owner, call)
        return holder !== undefined && (kind === 'email' ? holder.email : holder.handle) === text
      },
      now: access.clock.now(),
    },
    call,
  )
  if ('owner' in claimed) return claimed
  return { taken: claimed.taken === 'email' ? 'email' : 'handle' }
}

type Store = {
  readonly access: KeyspaceAccess
  readonly lookup: LookupIndex
  readonly defer: (work: Promise<unknown>) => void
}

/** Events of members come to others only, so "there is none" must be soon forgotten by itself. */
const unknownMs = 1_000

export function memberStore(store: Store & { readonly cache: Cache }): MemberStore {
  const { access, lookup, defer, cache } = store
  const policy = { ttlMs: 600_000, graceMs: 3_600_000, negativeTtlMs: unknownMs }
  const profiles = cache.space<Profile>('member', policy)
  return {
    claim: (member, call) => claim(store, member, call),
    register: async ({ once, member, passwordHash, events }, call) => {
      const statements = [
        statement(insertMember(member)),
        statement(
          db
            .insert(credential)
            .values({ member: member.id, hash: passwordHash, changedAt: member.createdAt }),
        ),
      ]
      const key = prefixOf(member.id)
      const work = { keys: [member.id], statements, events }
      try {
        const answered = await access.once.run(once, { key, work, reply: member }, call)
        // Readers verify a claim against its member, so this may come late, or never.
        defer(lookup.confirm(claimsOf(answered.reply), call).catch(() => undefined))
        return answered
      } catch (error) {
        // The id of another request's member, whose place happens to be ours, was taken for our own earlier try.
        if (error instanceof SqlConstraintError && error.constraint === 'member.id') {
          throw new HandleTakenError(member.handle)
        }
        throw error
      }
    },
    get: async (id, call) => {
      const found = await profiles.getOrLoad(id, (_, each) => readProfile(access, id, each), call)
      return found.value
    },
    read: (id, call) => getMember(access, id, call),
    findAccount: async (login, call) => {
      const kind = login.includes('@') ? 'email' : 'handle'
      const text = login.toLowerCase()
      const owner = await lookup.find(kind, text, call)
      const account = owner === undefined ? undefined : await getAccount(access, owner, call)
      return account?.member[kind] === text ? account : undefined
    },
  }
}

/** How often a group is written again when another import wrote a part of it meanwhile. */
const importTriesMax = 5

type Imported = Parameters<ImportStore['writeAll']>[0][number]

const keyOfImported = ({ member }: Imported): string => member.id

/** Those whose members are not there yet, each id once. */
async function notThere(
  { router }: KeyspaceAccess,
  imported: readonly Imported[],
  call: Call,
): Promise<readonly Imported[]> {
  const known = await router.readMany(
    imported.map((each) => ({
      key: keyOfImported(each),
      statement: statement(
        db.select({ id: members.id }).from(members).where(eq(members.id, each.member.id)).limit(1),
      ),
    })),
    call,
  )
  const fresh = imported.filter((_each, index) => known[index]?.rows.length === 0)
  return [...new Map(fresh.map((each) => [each.member.id, each])).values()]
}

/** Writes a group of one shard; answers the ids that this very write made. */
async function writeGroup(
  access: KeyspaceAccess,
  group: readonly Imported[],
  call: Call,
): Promise<readonly string[]> {
  let open = group
  for (let tries = 1; open.length > 0; tries += 1) {
    try {
      const work = {
        keys: open.map(keyOfImported),
        statements: open.map(({ member }) => statement(insertMember(member))),
        events: open.map(({ event }) => event),
      }
      await access.committer.commit(work, call)
      return open.map(({ member }) => member.id)
    } catch (error) {
      // Another import of the same lines was faster with some of them.
      if (!(error instanceof SqlConstraintError) || tries === importTriesMax) throw error
      open = await notThere(access, open, call)
    }
  }
  return []
}

/** Claims for one line. An e-mail that has a member under another handle is taken: a handle is not changed by an import. */
async function claimLine(store: Store, member: Member, call: Call): Promise<Claimed> {
  const claimed = await claim(store, member, call)
  if ('taken' in claimed || claimed.owner === member.id) return claimed
  const holder = await getMember(store.access, claimed.owner, call)
  if (holder === undefined || holder.handle === member.handle) return claimed
  const [handle] = claimsOf({ ...member, id: claimed.owner })
  await store.lookup.release([handle], call)
  return { taken: 'email' }
}

export function importStore(store: Store): ImportStore {
  const { access, lookup, defer } = store
  return {
    claimAll: async (proposed, call) => {
      const holders = await lookup.claim(proposed.flatMap(claimsOf), call)
      const results: Claimed[] = []
      for (const [index, member] of proposed.entries()) {
        const pair = [holders[index * 2], holders[index * 2 + 1]]
        const [owner] = pair.map((holder) => holder?.owner)
        // The e-mail decides the place, so an owner in the same place is this very line, imported before.
        const isOurs =
          owner !== undefined &&
          prefixOf(owner) === prefixOf(member.id) &&
          pair.every((holder) => holder?.owner === owner) &&
          (owner === member.id || pair.every((holder) => holder?.state === 'confirmed'))
        results.push(isOurs ? { owner } : await claimLine(store, member, call))
      }
      return results
    },
    writeAll: async (imported, call) => {
      const created = new Set<string>()
      const groups = await access.router.groups(
        await notThere(access, imported, call),
        keyOfImported,
        call,
      )
      await inWaves(groups, async (group) => {
        for (const id of await writeGroup(access, group, call)) created.add(id)
      })
      const claims = imported
        .filter(({ member }) => created.has(member.id))
        .flatMap(({ member }) => claimsOf(member))
      defer(lookup.confirm(claims, call).catch(() => undefined))
      return imported.map(({ member }) => created.has(member.id))
    },
  }
}
