import type { Entry, Fields, Finding, Judge } from '@stoa/reconciliation'

/** Puts the comparison's name into what it finds, so that whoever repairs knows what the key is of. */
export function named(name: string, judge: Judge): Judge {
  return (group, look) =>
    judge(group, look).map((finding): Finding => ({
      ...finding,
      detail: { ...finding.detail, of: name },
    }))
}

/** Judges one side whose rows hold both halves, read in one statement: nothing can come between the two. */
export function halved(
  judge: Judge,
  split: (fields: Fields) => readonly (Fields | readonly Fields[] | undefined)[],
): Judge {
  return ({ key, entries: [rows = []] }, look) => {
    const [row] = rows
    if (row === undefined) return []
    const entries = split(row.fields).map((half): readonly Entry[] => {
      if (half === undefined) return []
      return [half].flat().map((fields) => ({ key, at: row.at, fields }))
    })
    return judge({ key, entries }, look)
  }
}

/** Judges two sides by a judge of three, whose ledger says what the first side does. */
export function withoutLedger(judge: Judge): Judge {
  return ({ key, entries: [ours = [], theirs = []] }, look) => {
    const paid = ours.filter(({ fields }) => fields['state'] === 'paid')
    return judge({ key, entries: [ours, theirs, paid.slice(0, 1)] }, look)
  }
}
