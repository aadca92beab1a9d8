import { z } from 'zod'

import { route } from './route.ts'

const id = z.string().regex(/^[0-9A-F][0-9A-HJKMNP-TV-Z]{19}$/)
/** The service that did not take it. */
const consumer = z.string().min(1).max(64)
/** The aggregate of the event, or the name of a message in which no event could be read. */
const key = z.string().min(1).max(200)
const seq = z.int().min(1)

const deadLetter = z.object({
  consumer,
  key,
  seq,
  status: z.int(),
  why: z.string(),
  item: z.unknown(),
  at: z.int(),
})

export const relay = {
  listDeadLetters: route({
    id: 'listDeadLetters',
    method: 'get',
    path: '/v1/dead-letters',
    summary: 'List the oldest events that a service did not take, and why',
    access: 'operator',
    query: z.object({ consumer, limit: z.coerce.number().int().min(1).max(100).default(50) }),
    status: 200,
    reply: z.object({ letters: z.array(deadLetter) }),
  }),
  replayDeadLetter: route({
    id: 'replayDeadLetter',
    method: 'post',
    path: '/v1/dead-letters/replay',
    summary: 'Send an event that a service did not take to it once more',
    access: 'operator',
    body: z.object({ consumer, key, seq }),
    status: 202,
    reply: z.object({ outcome: z.enum(['sent', 'unreadable', 'absent']) }),
  }),
  resendEvents: route({
    id: 'resendEvents',
    method: 'post',
    path: '/v1/outbox/resend',
    summary: 'Send the events of an aggregate to a service again, out of the outbox',
    access: 'operator',
    body: z.object({ consumer, aggregate: id, from: seq, to: seq }),
    status: 202,
    reply: z.object({ sent: z.int() }),
  }),
  reviveEvents: route({
    id: 'reviveEvents',
    method: 'post',
    path: '/v1/outbox/revive',
    summary: 'Make events ready again that the queue refused too often',
    access: 'operator',
    body: z.object({ events: z.array(id).min(1).max(100) }),
    status: 202,
    reply: z.object({ revived: z.int() }),
  }),
} as const
