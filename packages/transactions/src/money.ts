import { Fault } from '@stoa/kernel'

/** An amount in the smallest unit of its currency: cents for EUR, yen for JPY. Never a fraction. */
export type Money = {
  /** ISO 4217. */
  readonly currency: string
  /** 1 to 2^53 - 1. */
  readonly amount: number
}

/** What was given is no amount of money. */
export class InvalidMoneyError extends Fault {
  override readonly name = 'InvalidMoneyError'
  override readonly code = 'invalid_money'
  override readonly kind = 'invalid_argument'

  constructor({ currency, amount }: Money) {
    super(`Cannot book ${amount} "${currency}": an amount is a whole number of minor units above 0`)
  }
}

const currencyForm = /^[A-Z]{3}$/

/** `money` itself. @throws InvalidMoneyError when it is a fraction, not above 0, too large, or of no currency. */
export function checkedMoney(money: Money): Money {
  const isAmount = Number.isSafeInteger(money.amount) && money.amount > 0
  if (!isAmount || !currencyForm.test(money.currency)) throw new InvalidMoneyError(money)
  return money
}
