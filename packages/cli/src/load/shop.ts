import { seededRandom } from '@stoa/kernel'
import { z } from 'zod'

import type { BadLine, Category, Line, Product } from './source.ts'

const keyField = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
const nameField = z.string().trim().min(1).max(200)

/** One of the real categories has no name; it goes by its key, for its products are as real as others. */
const named = z.object({ id: keyField, name: nameField.nullable() })
const entry = named.extend({ path: z.array(named).max(20) })

const adjectives = ['Compact', 'Classic', 'Silent', 'Bright', 'Sturdy', 'Light', 'Smart', 'Pocket']
const stockMax = 500
const priceMinorMax = 200_000

function pick<T>(list: readonly T[], random: number): T | undefined {
  return list[random % list.length]
}

/** A product for a category: always the same for the same category and seed. */
function productOf({ value, line }: Line<Category>, seed: number): Line<Product> {
  const random = seededRandom(seed + line)
  return {
    line,
    value: {
      sku: `SKU-${value.key}`,
      title: `${pick(adjectives, random.uint32()) ?? ''} ${value.name}`.trim().slice(0, 200),
      description: `Found under ${value.path.map(({ name }) => name).join(' › ')}.`,
      category: value.key,
      priceMinor: 99 + (random.uint32() % priceMinorMax),
      currency: 'USD',
      stock: random.uint32() % stockMax,
    },
  }
}

export type Shop = {
  readonly categories: readonly Line<Category>[]
  readonly products: readonly Line<Product>[]
  readonly bad: readonly BadLine[]
}

/** Categories from a JSON array of `{id, name, path: [{id, name}]}`, with one generated product each. A line is an item. */
export function parseCategories(text: string, file: string, seed: number): Shop {
  const items = z.array(z.unknown()).safeParse(JSON.parse(text))
  if (!items.success)
    return { categories: [], products: [], bad: [{ file, line: 1, why: 'not a JSON array' }] }
  const categories = new Map<string, Line<Category>>()
  const bad: BadLine[] = []
  for (const [index, item] of items.data.entries()) {
    const line = index + 1
    const parsed = entry.safeParse(item)
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      bad.push({ file, line, why: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'wrong'}` })
      continue
    }
    const { id, path } = parsed.data
    if (categories.has(id)) {
      bad.push({ file, line, why: `category "${id}" was there before` })
      continue
    }
    const steps = path.map((each) => ({ key: each.id, name: each.name ?? each.id }))
    categories.set(id, { line, value: { key: id, name: parsed.data.name ?? id, path: steps } })
  }
  const list = [...categories.values()]
  return { categories: list, products: list.map((each) => productOf(each, seed)), bad }
}
