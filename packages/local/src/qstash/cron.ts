import { Cron } from 'croner'

import { Refusal } from './refusal.ts'

/** A parsed `Upstash-Cron`. */
export type CronPlan = {
  /** Unix ms of the first match strictly after `now`. */
  next(now: number): number | undefined
}

/**
 * Reads `0 4 * * *` or `CRON_TZ=Asia/Shanghai 0 4 * * *`. UTC unless a zone is given; the finest step
 * is a minute.
 *
 * @throws Refusal 400 on a bad pattern or an unknown zone.
 */
export function parseCron(text: string): CronPlan {
  const [, zone = 'UTC', pattern = ''] = /^(?:(?:CRON_)?TZ=(\S+)\s+)?(.+)$/s.exec(text.trim()) ?? []
  try {
    const cron = new Cron(pattern, { timezone: zone, mode: '5-part', paused: true })
    cron.nextRun(new Date(0))
    return { next: (now) => cron.nextRun(new Date(now))?.getTime() }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Refusal(400, `invalid cron "${text}": ${reason}`)
  }
}
