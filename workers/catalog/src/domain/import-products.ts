import type { Call, Clock, Ids } from '@stoa/kernel'

import { createdEvent } from './create-product.ts'
import type { CategoryStore, ImportStore, SkuState } from './ports.ts'
import { type Draft, isCurrency, type Product } from './product.ts'

export type ImportLine = Draft & { readonly seller: string | null }

export type ImportOutcome =
  | { readonly outcome: 'created' | 'exists'; readonly id: string }
  | {
      readonly outcome: 'refused'
      readonly code: 'category_not_found' | 'unknown_currency' | 'sku_taken'
    }

type Deps = {
  readonly imports: ImportStore
  readonly categories: CategoryStore
  readonly ids: Ids
  readonly clock: Clock
}

type Refusal = Extract<ImportOutcome, { readonly outcome: 'refused' }>

function refusalOf(line: ImportLine, categories: ReadonlySet<string>): Refusal | undefined {
  if (!isCurrency(line.currency)) return { outcome: 'refused', code: 'unknown_currency' }
  if (!categories.has(line.category)) return { outcome: 'refused', code: 'category_not_found' }
  return undefined
}

/** The first good line of each sku. */
function firstOfEach(lines: readonly ImportLine[]): readonly ImportLine[] {
  const bySku = new Map<string, ImportLine>()
  for (const line of lines) {
    if (!bySku.has(line.sku)) bySku.set(line.sku, line)
  }
  return [...bySku.values()]
}

/**
 * Makes products, each once however often it is imported: its sku decides its place, so that a second import finds
 * the claims of the first, whether that came to its end or not. A product that is there stays as it is.
 */
export async function importProducts(
  deps: Deps,
  lines: readonly ImportLine[],
  call: Call,
): Promise<readonly ImportOutcome[]> {
  const { imports, categories, ids, clock } = deps
  const known = await categories.existing([...new Set(lines.map((line) => line.category))], call)
  const good = firstOfEach(lines.filter((line) => refusalOf(line, known) === undefined))
  const createdAt = clock.now()
  const proposed = good.map(({ stock: _stock, ...line }): Product => {
    return { id: ids.root(`import|${line.sku}`), ...line, createdAt }
  })
  const states = await imports.claimAll(proposed, call)
  const fresh = good.flatMap(({ stock }, index) => {
    const state = states[index]
    const content = proposed[index]
    if (content === undefined || state?.state !== 'free') return []
    const product = { ...content, id: state.id }
    return [{ product, event: createdEvent(deps, { product, stock }, call) }]
  })
  const created = await imports.writeAll(fresh, call)
  const bySku = new Map(good.map(({ sku }, index) => [sku, states[index]] as const))
  const told = new Set<string>()
  return lines.map((line) => {
    const refusal = refusalOf(line, known)
    if (refusal !== undefined) return refusal
    const outcome = outcomeOf(bySku.get(line.sku), created)
    if (outcome.outcome !== 'created') return outcome
    const isRepeat = told.has(outcome.id)
    told.add(outcome.id)
    return isRepeat ? { outcome: 'exists', id: outcome.id } : outcome
  })
}

function outcomeOf(state: SkuState | undefined, created: ReadonlySet<string>): ImportOutcome {
  if (state === undefined || state.state === 'taken') {
    return { outcome: 'refused', code: 'sku_taken' }
  }
  return { outcome: created.has(state.id) ? 'created' : 'exists', id: state.id }
}
