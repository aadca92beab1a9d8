import { parseId } from './id.ts'
import { InvalidIdError } from './invalid-id.ts'

const prefixForm = /^[a-z]{2,8}$/

/**
 * `id` as the API shows it: `ord_` and the id. Only routes and presenters use it; tables keep the id.
 *
 * @throws InvalidIdError when `id` is none.
 * @throws RangeError when `prefix` is not two to eight small letters.
 */
export function typedId(prefix: string, id: string): string {
  return `${checked(prefix)}_${parseId(id)}`
}

/**
 * The id in `text`, which must be spelled exactly as {@link typedId} spells it.
 *
 * @throws InvalidIdError for every other spelling, and for an id of another type.
 */
export function parseTypedId(prefix: string, text: string): string {
  const lead = `${checked(prefix)}_`
  if (!text.startsWith(lead)) throw new InvalidIdError(lead)
  try {
    return parseId(text.slice(lead.length))
  } catch (cause) {
    throw new InvalidIdError(lead, { cause })
  }
}

function checked(prefix: string): string {
  if (!prefixForm.test(prefix)) throw new RangeError(`Cannot use "${prefix}" as an id's type`)
  return prefix
}
