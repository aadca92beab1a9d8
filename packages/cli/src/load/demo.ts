import { seededRandom } from '@stoa/kernel'

import { parseGraph } from './graph.ts'
import { parseCategories } from './shop.ts'
import type { Source } from './source.ts'

export type DemoSize = { readonly members: number; readonly categories: number }

/**
 * An edge list in which who is followed gains followers: each newcomer links to a handful, chosen by their links
 * (Barabási and Albert 1999). Its degrees are as uneven as those of the real graphs.
 */
function preferentialEdges(members: number, seed: number): string {
  const random = seededRandom(seed)
  const ends: number[] = [0]
  const lines: string[] = []
  for (let node = 1; node < members; node += 1) {
    const links = Math.min(node, 1 + (random.uint32() % 12))
    const targets = new Set<number>()
    while (targets.size < links) targets.add(ends[random.uint32() % ends.length] ?? 0)
    for (const target of targets) {
      lines.push(`${node} ${target}`)
      ends.push(node, target)
    }
  }
  return lines.join('\n')
}

const departments = ['Audio', 'Books', 'Cameras', 'Garden', 'Kitchen', 'Music', 'Sports', 'Toys']

function categoryTree(count: number): string {
  const items = Array.from({ length: count }, (_, index) => {
    const top = departments[index % departments.length] ?? ''
    const depth = Math.floor(index / departments.length)
    const root = { id: `demo-${top.toLowerCase()}`, name: top }
    if (depth === 0) return { ...root, path: [root] }
    const own = { id: `${root.id}-${depth}`, name: `${top} ${depth}` }
    return { ...own, path: [root, own] }
  })
  return JSON.stringify(items)
}

/** A set of the same shape as the real input, the same for the same seed. */
export function demoSource({ members, categories }: DemoSize, seed: number): Source {
  const graph = parseGraph(preferentialEdges(members, seed), 'demo graph', 'demo')
  const shop = parseCategories(categoryTree(categories), 'demo categories', seed)
  return { ...graph, ...shop, bad: [...graph.bad, ...shop.bad] }
}
