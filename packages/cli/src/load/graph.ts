import type { BadLine, Edge, Line, Member } from './source.ts'

export type Graph = {
  readonly members: readonly Line<Member>[]
  readonly edges: readonly Line<Edge>[]
  readonly bad: readonly BadLine[]
}

/** What the members of a graph are called by; another for the demo, which must not be taken for a real one. */
export type GraphName = 'node' | 'demo'

function memberOf(name: GraphName, node: string): Member {
  const handle = `${name}_${node}`
  return { handle, email: `${handle}@example.org`, name: `Member ${node}` }
}

/**
 * A social graph from an edge list: two node numbers a line, `#` begins a comment. An edge stands for two follows, one
 * in each direction; a repeated edge counts once. Each node becomes a member, at the line where it first appears.
 */
export function parseGraph(text: string, file: string, name: GraphName = 'node'): Graph {
  const members = new Map<string, Line<Member>>()
  const edges = new Map<string, Line<Edge>>()
  const bad: BadLine[] = []
  for (const [index, raw] of text.split('\n').entries()) {
    const line = index + 1
    const trimmed = raw.trim()
    if (trimmed === '' || trimmed.startsWith('#') || trimmed.startsWith('%')) continue
    const [, from, to] = /^(\d{1,15})[\s,]+(\d{1,15})$/.exec(trimmed) ?? []
    if (from === undefined || to === undefined) {
      bad.push({ file, line, why: 'not two node numbers' })
      continue
    }
    if (from === to) {
      bad.push({ file, line, why: 'a node cannot follow itself' })
      continue
    }
    for (const node of [from, to]) {
      if (!members.has(node)) members.set(node, { line, value: memberOf(name, node) })
    }
    for (const [follower, followee] of [
      [from, to],
      [to, from],
    ] as const) {
      const key = `${follower} ${followee}`
      if (edges.has(key)) continue
      const value = {
        follower: memberOf(name, follower).handle,
        followee: memberOf(name, followee).handle,
      }
      edges.set(key, { line, value })
    }
  }
  return { members: [...members.values()], edges: [...edges.values()], bad }
}
