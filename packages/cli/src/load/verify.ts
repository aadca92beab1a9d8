import type { Api } from './api.ts'
import { pooled, retried } from './api.ts'
import type { Source } from './source.ts'

const requestsAtOnce = 8
const differencesMax = 50
const progressEvery = 100

/** How long what events bring may still be on its way. */
const settleTriesMax = 120
const settleMs = 1_000

type Check = { readonly what: string; readonly differs: () => Promise<string | undefined> }

/** Follows a list to its end. */
async function wholeList<T>(
  read: (cursor: string | undefined) => Promise<{ items: readonly T[]; next?: string | undefined }>,
): Promise<readonly T[]> {
  const items: T[] = []
  let cursor: string | undefined
  do {
    const page = await read(cursor)
    items.push(...page.items)
    cursor = page.next
  } while (cursor !== undefined)
  return items
}

function same(left: readonly string[], right: readonly string[]): boolean {
  return JSON.stringify(left.toSorted()) === JSON.stringify(right.toSorted())
}

function graphChecks(
  { social }: Api,
  source: Source,
  ids: ReadonlyMap<string, string>,
): readonly Check[] {
  const following = Map.groupBy(source.edges, ({ value }) => value.follower)
  const followers = Map.groupBy(source.edges, ({ value }) => value.followee)
  return source.members.map(({ value: { handle } }) => ({
    what: handle,
    differs: async () => {
      const member = ids.get(handle)
      if (member === undefined) return 'it has no id'
      const idsOf = (list: readonly string[]) => list.flatMap((each) => ids.get(each) ?? [])
      const expected = idsOf((following.get(handle) ?? []).map(({ value }) => value.followee))
      const fans = idsOf((followers.get(handle) ?? []).map(({ value }) => value.follower))
      const params = { member }
      const [counts, list, fanList] = await Promise.all([
        retried((call) => social.counts({ params }, call)),
        wholeList((cursor) =>
          retried((call) => social.following({ params, query: { limit: 100, cursor } }, call)),
        ),
        wholeList((cursor) =>
          retried((call) => social.followers({ params, query: { limit: 100, cursor } }, call)),
        ),
      ])
      if (counts.following !== expected.length || counts.followers !== fans.length) {
        return `counts ${counts.following} and ${counts.followers}, not ${expected.length} and ${fans.length}`
      }
      if (!same(list, expected)) return 'it follows others than it should'
      return same(fanList, fans) ? undefined : 'others follow it than should'
    },
  }))
}

function shopChecks({ catalog }: Api, source: Source): readonly Check[] {
  const categories = source.categories.map(({ value }) => ({
    what: `category ${value.key}`,
    differs: async () => {
      const found = await retried((call) =>
        catalog.getCategory({ params: { category: value.key } }, call),
      )
      return JSON.stringify(found) ===
        JSON.stringify({ key: value.key, name: value.name, path: value.path })
        ? undefined
        : 'another content'
    },
  }))
  const products = source.products.map(({ value }) => ({
    what: `product ${value.sku}`,
    differs: async () => {
      const found = await retried((call) => catalog.getSku({ params: { sku: value.sku } }, call))
      const { stock: _stock, ...content } = value
      const wrong = Object.entries(content).find(
        ([name, expected]) => Object.entries(found).find(([key]) => key === name)?.[1] !== expected,
      )
      if (wrong !== undefined) return `another ${wrong[0]}`
      const page = await retried((call) =>
        catalog.getProduct({ params: { product: found.id } }, call),
      )
      return page.available === value.stock
        ? undefined
        : `stock ${String(page.available)}, not ${value.stock}`
    },
  }))
  return [...categories, ...products]
}

/**
 * Reads back everything a load brought in, over the public API, and compares it by count and by content. What events
 * bring may be late, so a difference counts only when it stays.
 *
 * @returns the differences; an empty list says that all is as it was sent.
 */
export async function verifyAll(
  source: Source,
  {
    api,
    ids,
    progress,
  }: {
    readonly api: Api
    readonly ids: ReadonlyMap<string, string>
    readonly progress: (done: number, total: number) => void
  },
): Promise<readonly string[]> {
  let checks = [...graphChecks(api, source, ids), ...shopChecks(api, source)]
  const total = checks.length
  let differences: string[] = []
  let equal = 0
  for (let tries = 1; checks.length > 0 && tries <= settleTriesMax; tries += 1) {
    const open: Check[] = []
    differences = []
    await pooled(checks, requestsAtOnce, async (check) => {
      const difference = await check.differs().catch((error: unknown) => String(error))
      if (difference === undefined) {
        equal += 1
        if (equal % progressEvery === 0) progress(equal, total)
        return
      }
      open.push(check)
      if (differences.length < differencesMax) differences.push(`${check.what}: ${difference}`)
    })
    if (open.length === 0) progress(total, total)
    checks = open
    if (checks.length > 0) await new Promise((resolve) => setTimeout(resolve, settleMs))
  }
  return differences
}
