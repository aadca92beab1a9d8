import { describe, expect, test } from 'vitest'
import type { z } from 'zod'

import { gateway } from '../src/gateway.ts'
import { consumers, consumersOf, events, isEventType, type Route, services } from '../src/index.ts'

const all: readonly (readonly [string, Route])[] = Object.entries({ ...services, gateway }).flatMap(
  ([service, routes]) => Object.values<Route>(routes).map((route) => [service, route] as const),
)

const isParameter = (part: string) => part.startsWith('{')

/** Whether one request could be meant for both. */
function collide(one: Route, other: Route): boolean {
  if (one.method !== other.method) return false
  const [left, right] = [one.path.split('/'), other.path.split('/')]
  return (
    left.length === right.length &&
    left.every((part, index) => {
      const its = right[index] ?? ''
      return part === its || isParameter(part) || isParameter(its)
    })
  )
}

describe('the routes', () => {
  test('never collide, over all services', () => {
    const collisions = all.flatMap(([service, route], index) =>
      all
        .slice(index + 1)
        .filter(([, other]) => collide(route, other))
        .map(([elsewhere, other]) => `${service}.${route.id} and ${elsewhere}.${other.id}`),
    )

    expect(collisions).toEqual([])
  })

  test('have names of their own, over all services', () => {
    const names = all.map(([, route]) => route.id)

    expect(names).toEqual([...new Set(names)])
  })

  test('are called by their own names', () => {
    for (const routes of Object.values({ ...services, gateway })) {
      for (const [name, route] of Object.entries<Route>(routes)) expect(route.id).toBe(name)
    }
  })

  test.each(all)('%s: %o says all that its server and its clients need', (_service, route) => {
    const named = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)

    expect(route.path).toMatch(/^(?:\/health|\/(?:v1|internal)(?:\/[a-z-]+|\/\{\w+\})+)$/)
    expect(route.path.startsWith('/internal/')).toBe(route.access === 'service')
    expect(Object.keys(route.params?.shape ?? {})).toEqual(named)
    expect(route.reply === undefined).toBe(route.status === 204)
    expect(route.method === 'get' && route.body !== undefined).toBe(false)
    expect(route.summary).not.toMatch(/\.$/)
    // A key protects what is created; a service that creates names it 201, or 202 when it goes on by itself.
    const creates = route.method === 'post' && (route.status === 201 || route.status === 202)
    expect(route.idempotent !== true || creates).toBe(true)
  })

  test('never take the id of another type, of another spelling, or a step up in the path', () => {
    const isFree = new Set(['sku', 'category', 'token', 'provider', 'day'])
    const mine: Readonly<Record<string, string>> = { member: 'usr', subject: 'usr' }
    const strays = all.flatMap(([service, { params }]) =>
      Object.entries<z.ZodType>(params?.shape ?? {}).flatMap(([name, schema]) => {
        const foreign = ['usr', 'xyz'].filter((prefix) => prefix !== mine[name])
        const texts = foreign.map((prefix) => `${prefix}_A${'0'.repeat(19)}`)
        const spelt = [
          '..',
          `usr_a${'0'.repeat(19)}Z`,
          `usr_A${'0'.repeat(20)}`,
          `usr_A${'I'.repeat(19)}`,
        ]
        return [...texts, ...spelt]
          .filter((text) => !isFree.has(name) && schema.safeParse(text).success)
          .map((text) => `${service} ${name} ${text}`)
      }),
    )

    expect(strays).toEqual([])
  })
})

describe('the events', () => {
  /** What is only kept, as history of an order or a payment, for whoever listens next. */
  const isUnheard = (type: string) =>
    ['order.placed', 'payment.action_required', 'payment.operation_failed'].includes(type)

  test('all have somebody who is told, and is a consumer', () => {
    for (const [type, { consumers: told }] of Object.entries(events)) {
      expect([type, told.length > 0 || isUnheard(type)]).toEqual([type, true])
      expect(new Set(told).size).toBe(told.length)
      for (const consumer of told) expect(consumers).toContain(consumer)
    }
  })

  test('tell every consumer something', () => {
    const told = new Set(
      Object.values(events).flatMap((each) => each.consumers as readonly string[]),
    )

    expect([...told].toSorted()).toEqual(consumers.toSorted())
  })

  test('are named by what they happened to, and what happened', () => {
    for (const type of Object.keys(events)) expect(type).toMatch(/^[a-z]+\.[a-z_]+$/)
  })

  test.each(['', 'order', 'order.unheard', '__proto__', 'constructor', 'toString'])(
    'know nothing of %j',
    (type) => {
      expect(isEventType(type)).toBe(false)
      expect(consumersOf(type)).toEqual([])
    },
  )
})
