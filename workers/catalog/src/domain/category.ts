import { Fault } from '@stoa/kernel'

export type Category = {
  /** As its source names it; unique. */
  readonly key: string
  readonly name: string
  /** From the root to the category itself. */
  readonly path: readonly { readonly key: string; readonly name: string }[]
}

export class CategoryNotFoundError extends Fault {
  override readonly name = 'CategoryNotFoundError'
  override readonly code = 'category_not_found'
  override readonly kind = 'not_found'

  constructor() {
    super('Cannot find the category: there is none')
  }
}
