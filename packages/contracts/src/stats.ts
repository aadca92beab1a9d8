import { z } from 'zod'

import { idField, memberId, moment } from './fields.ts'
import { route } from './route.ts'

export const statsKinds = ['member', 'product', 'post'] as const
/** What anybody may report; all else is counted from the system's own events. */
export const reportedMetrics = ['views', 'shares'] as const
export const seriesWidths = ['hour', 'day'] as const

/** Reports in one request. */
const reportsMax = 500
/** Subjects in one read. */
const subjectsMax = 100
/** Days of a leaderboard, and points of a series. */
const daysMax = 31
const pointsMax = 400
/** Events of one member in a recount: what may still be under way. */
export const recountedMax = 1_000

const kind = z.enum(statsKinds)
const metric = z.enum(reportedMetrics)
const subject = z.string().regex(/^(?:usr|prd|pst)_[0-9A-F][0-9A-HJKMNP-TV-Z]{19}$/)
const count = z.int().min(0)

/** How fresh an answer is, and how far from the truth it may be. */
const freshness = {
  /** When this was read from where it is kept. */
  asOf: moment,
  /** The oldest report that may be missing, in milliseconds, while the logs and databases answer. */
  staleMsMax: count,
}

const counts = z.object({
  /** By metric; what was never counted is absent. */
  counts: z.record(z.string(), z.int()),
  ...freshness,
  /** How far a count may be from what was reported until then: counts are exact. */
  errorMax: z.literal(0),
  /** Metrics that are full and stay at 2^53 - 1. */
  saturated: z.array(z.string()),
})

const report = z.object({
  kind,
  subject,
  metric: metric.default('views'),
  by: z.int().min(1).max(1_000).default(1),
  /** Whoever views, under a name of the client's own: distinct ones are counted. */
  viewer: z.string().min(1).max(100).optional(),
})

export const stats = {
  recordEvents: route({
    id: 'recordEvents',
    method: 'post',
    path: '/v1/events',
    summary: 'Count views and shares; a batch that is sent again is counted again',
    access: 'public',
    body: z.object({ events: z.array(report).min(1).max(reportsMax) }),
    bodyBytesMax: 131_072,
    status: 202,
    /** How many, from the first on, were counted: fewer than were sent when the buffers are full. */
    reply: z.object({ accepted: count }),
  }),
  getStats: route({
    id: 'getStats',
    method: 'get',
    path: '/v1/stats/{kind}/{subject}',
    summary: 'Read what was counted of a member (`usr_…`), a product (`prd_…`) or a post (`pst_…`)',
    access: 'public',
    params: z.object({ kind, subject }),
    status: 200,
    /** Callers also read what an older version answers, which has the counts alone. */
    reply: counts.partial({ asOf: true, staleMsMax: true, errorMax: true, saturated: true }),
  }),
  getManyStats: route({
    id: 'getManyStats',
    method: 'get',
    path: '/v1/stats/{kind}',
    summary: 'Read what was reported of up to 100 subjects of one kind, in their order',
    access: 'public',
    params: z.object({ kind }),
    query: z.object({
      subjects: z
        .string()
        .max(subjectsMax * 32)
        .transform((text) => text.split(','))
        .pipe(z.array(subject).min(1).max(subjectsMax)),
    }),
    status: 200,
    reply: z.object({ items: z.array(counts.extend({ subject: z.string() })) }),
  }),
  getSeries: route({
    id: 'getSeries',
    method: 'get',
    path: '/v1/stats/{kind}/{subject}/series',
    summary: 'Read the views of a subject by hour or day',
    access: 'public',
    params: z.object({ kind, subject }),
    query: z.object({
      width: z.enum(seriesWidths).default('day'),
      points: z.coerce.number().int().min(1).max(pointsMax).default(30),
    }),
    status: 200,
    reply: z.object({
      points: z.array(z.object({ start: moment, views: count })),
      ...freshness,
      /** How late a report may be put down: it belongs to the window in which it was sent on. */
      lateMsMax: count,
    }),
  }),
  getViewers: route({
    id: 'getViewers',
    method: 'get',
    path: '/v1/stats/{kind}/{subject}/viewers',
    summary: 'Read how many different viewers a subject has had today',
    access: 'public',
    params: z.object({ kind, subject }),
    status: 200,
    reply: z.object({
      viewers: count,
      ...freshness,
      /** One standard error; 0 up to 128 viewers. */
      standardError: z.number().min(0),
    }),
  }),
  getLeaders: route({
    id: 'getLeaders',
    method: 'get',
    path: '/v1/leaders/{kind}',
    summary: 'Read the most viewed subjects of the last days',
    access: 'public',
    params: z.object({ kind }),
    query: z.object({
      days: z.coerce.number().int().min(1).max(daysMax).default(1),
      limit: z.coerce.number().int().min(1).max(100).default(10),
    }),
    status: 200,
    reply: z.object({
      /** The truth is from `views - errorMax` to `views`. */
      items: z.array(z.object({ subject: z.string(), views: count, errorMax: count })),
      ...freshness,
    }),
  }),
  drainCounts: route({
    id: 'drainCounts',
    method: 'post',
    path: '/v1/stats/drain',
    summary: 'Move what waits in the logs into the databases now',
    access: 'operator',
    status: 200,
    reply: z.object({
      entries: count,
      done: count,
      /** Parts that had been applied before. */
      repeated: count,
      /** Flushes kept aside in `count_dead`. */
      dead: count,
      /** True when some waits still. */
      hasMore: z.boolean(),
    }),
  }),
  sweepCounts: route({
    id: 'sweepCounts',
    method: 'post',
    path: '/internal/stats/sweeps',
    summary:
      'Drain the logs, freeze a little of what is idle, forget a little of what is past its time',
    access: 'service',
    body: z.object({}),
    status: 204,
  }),
  recountPosts: route({
    id: 'recountPosts',
    method: 'post',
    path: '/internal/stats/recounts',
    summary:
      'Set how many posts of a member were counted, if that has not changed since it was read',
    access: 'service',
    body: z.object({
      member: memberId,
      /** As it was read; nothing when there was none. */
      from: count.nullable(),
      to: count,
      /** What `to` has counted already: none of them counts again. */
      events: z.array(idField('evt')).max(recountedMax),
    }),
    status: 200,
    /** False when it has changed since. */
    reply: z.object({ isChanged: z.boolean() }),
  }),
  refillHotView: route({
    id: 'refillHotView',
    method: 'post',
    path: '/internal/stats/refills',
    summary:
      'Take what is shown of a subject out of the hot view, if it still says this, and fill it anew',
    access: 'service',
    body: z.object({ kind, subject, shown: z.string().min(1).max(1_000) }),
    status: 204,
  }),
} as const
