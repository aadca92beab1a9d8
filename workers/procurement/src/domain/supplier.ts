import { Fault } from '@stoa/kernel'

/** Whom goods are bought from. */
export type Supplier = {
  readonly id: string
  readonly name: string
  readonly email: string
  readonly createdAt: number
}

export class SupplierNotFoundError extends Fault {
  override readonly name = 'SupplierNotFoundError'
  override readonly code = 'supplier_not_found'
  override readonly kind = 'not_found'

  constructor() {
    super('Cannot find the supplier: there is none')
  }
}
