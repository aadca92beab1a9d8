/** One measured figure beside what it is compared with in the same run. */
export type Row = {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** The same figure of the peer. */
  readonly baseline: number
  /** `value / baseline`. */
  readonly ratio: number
  /** What the ratio must reach; absent when the row only informs. */
  readonly target?: number
  readonly ok: boolean
}

/** A row whose ratio must be at least `target`. */
export function atLeast(row: Omit<Row, 'ratio' | 'ok'>): Row {
  const ratio = row.baseline === 0 ? 0 : row.value / row.baseline
  return { ...row, ratio, ok: row.target === undefined || ratio >= row.target }
}

/** The rows as a table of text. */
export function tableOf(rows: readonly Row[]): string {
  const cells = rows.map(({ name, value, unit, baseline, ratio, target, ok }) => [
    name,
    `${Math.round(value).toLocaleString('en')} ${unit}`,
    Math.round(baseline).toLocaleString('en'),
    ratio.toFixed(3),
    target === undefined ? '' : `≥ ${target}`,
    target === undefined ? '' : ok ? 'ok' : 'MISSED',
  ])
  const all = [['', 'measured', 'baseline', 'ratio', 'target', ''], ...cells]
  const widths =
    all[0]?.map((_cell, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? []
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
