import { payments } from '@stoa/contracts/payments'
import type { Service } from '@stoa/http'
import { parseTypedId, typedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { topUpWallet } from '../domain/top-up.ts'
import { readTransfer, startTransfer } from '../domain/transfer.ts'

function isoOf(ms: number): string {
  return new Date(ms).toISOString()
}

export function serveWallets(service: Service, deps: Deps): void {
  service.serve(payments.getWallet, async (_input, { call, member }) => {
    const id = await member()
    const books = await deps.wallets.balances(id, call)
    const of = (book: string, currency: string) =>
      books.find((each) => each.book === book && each.currency === currency)?.amount ?? 0
    const currencies = [...new Set(books.map(({ currency }) => currency))].toSorted()
    const balances = currencies.map((currency) => {
      const availableMinor = of('available', currency)
      return { currency, availableMinor, frozenMinor: of('frozen', currency) }
    })
    return { member: typedId('usr', id), balances }
  })

  service.serve(payments.openWallet, async ({ params }, { call, member }) => {
    await deps.wallets.open(await member(), params.currency, call)
    return undefined
  })

  service.serve(payments.topUpWallet, async ({ params, body }, context) => {
    const [member, once] = await Promise.all([context.member(), context.once()])
    const { amountMinor, method } = body
    const asked = { once, member, token: method.token, amountMinor, currency: params.currency }
    const { reply, replayed } = await topUpWallet(deps, asked, context.call)
    if (replayed) context.replayed()
    return {
      ...reply,
      payment: typedId('pay', reply.payment),
      createdAt: isoOf(reply.createdAt),
    }
  })

  service.serve(payments.startTransfer, async ({ body }, context) => {
    const [from, once] = await Promise.all([context.member(), context.once()])
    const { amountMinor, currency } = body
    const wish = { once, from, to: parseTypedId('usr', body.to), amountMinor, currency }
    const { reply, replayed } = await startTransfer(deps, wish, context.call)
    if (replayed) context.replayed()
    const { id, to, createdAt } = reply
    return {
      id: typedId('trf', id),
      from: typedId('usr', from),
      to: typedId('usr', to),
      amountMinor: reply.amountMinor,
      currency: reply.currency,
      createdAt: isoOf(createdAt),
    }
  })

  service.serve(payments.getTransfer, async ({ params }, { call, member }) => {
    const id = parseTypedId('trf', params.transfer)
    const { code, ...found } = await readTransfer(deps, { id, from: await member() }, call)
    return {
      ...found,
      id: typedId('trf', found.id),
      to: typedId('usr', found.to),
      createdAt: isoOf(found.createdAt),
      ...(code === undefined ? {} : { code }),
    }
  })
}
