/** The text from the bracket at `open` to its partner, both included. */
function bracketAt(text: string, open: number): string {
  let depth = 0
  for (let at = open; at < text.length; at += 1) {
    if (text[at] === '(') depth += 1
    if (text[at] === ')') depth -= 1
    if (depth === 0) return text.slice(open, at + 1)
  }
  throw new Error('A bracket is never closed')
}

/** All but those of a length: they tell ids and slots, by which rows are made. */
const check = /,?\s*(?:CONSTRAINT\s+\w+\s+)?CHECK\s*(?=\((?!length\())/

function withoutChecks(sql: string): string {
  let rest = sql
  for (let found = check.exec(rest); found !== null; found = check.exec(rest)) {
    const end = found.index + found[0].length
    const inside = bracketAt(rest, end)
    rest = rest.slice(0, found.index) + rest.slice(end + inside.length)
  }
  return rest
}

/** A table with one row a slot would hold one row of the generator: it may have longer keys here. */
const oneRowSlot =
  /(slot TEXT NOT NULL) CHECK \(length\(slot\) = 3\)(?=,\n[^;]*PRIMARY KEY \(slot\))/g

/**
 * The tables of `ddl` without rules of their own, so that any row can be written: who may write it is the fence's
 * business alone. A table that guards itself, as a ledger does, refuses the rows of a generator.
 */
export function bareDdl(ddl: string): string {
  if (!/^CREATE TRIGGER/m.test(ddl)) return ddl.replaceAll(oneRowSlot, '$1')
  const statements = ddl.replaceAll(/^\s*--(?!>).*$/gm, '').split('--> statement-breakpoint')
  return statements
    .filter((sql) => !sql.trim().startsWith('CREATE TRIGGER'))
    .map(withoutChecks)
    .join('--> statement-breakpoint')
}
