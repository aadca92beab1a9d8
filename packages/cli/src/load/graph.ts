import type { BadLine, Edge, Line, Member } from './source.ts'

export type Graph = {
  readonly members: readonly Line<Member>[]
  readonly edges: readonly Line<Edge>[]
  readonly bad: readonly BadLine[]
}

function memberOf(node: string): Member {
  return { handle: `node_${node}`, email: `node_${node}@example.org`, name: `Member ${node}` }
}

/**
 * A social graph from an edge list: two node numbers a line, `#` begins a comment. An edge stands for two follows, one
 * in each direction; a repeated edge counts once. Each node becomes a member, at the line where it first appears.
 */
export function parseGraph(text: string, file: string): Graph {
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
      if (!members.has(node)) members.set(node, { line, value: memberOf(node) })
    }
    for (const [follower, followee] of [
      [from, to],
      [to, from],
    ] as const) {
      const key = `${follower} ${followee}`
      if (edges.has(key)) continue
      const value = { follower: memberOf(follower).handle, followee: memberOf(followee).handle }
      edges.set(key, { line, value })
    }
  }
  return { members: [...members.values()], edges: [...edges.values()], bad }
}
