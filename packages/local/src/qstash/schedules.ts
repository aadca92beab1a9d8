import { parseCron } from './cron.ts'
import type { CronPlan } from './cron.ts'
import { resolveDestination } from './fan-out.ts'
import type { Hub } from './hub.ts'
import { admit, ensureQueue } from './lifecycle.ts'
import type { Schedule, ScheduleState } from './model.ts'
import { saveScheduleState } from './records.ts'
import { Refusal } from './refusal.ts'

const plans = new WeakMap<Schedule, CronPlan>()

/** The first trigger after `now`. Reading the pattern is done once a schedule. */
export function nextTrigger(schedule: Schedule, now: number): number | undefined {
  const plan = plans.get(schedule) ?? parseCron(schedule.cron)
  plans.set(schedule, plan)
  return plan.next(now)
}

/** Recomputes when the earliest schedule fires. */
export function refreshScheduleWake(hub: Hub): void {
  hub.nextScheduleAt = undefined
  for (const { nextAt } of hub.schedules.values()) {
    if (nextAt === undefined) continue
    hub.nextScheduleAt = Math.min(nextAt, hub.nextScheduleAt ?? Number.POSITIVE_INFINITY)
  }
}

/**
 * Publishes the message of every schedule that is due. A paused one skips the trigger. Triggers missed
 * while the process was down or asleep are made up by one message, not by one each.
 */
export function fireSchedules(hub: Hub): void {
  const now = hub.now()
  if (hub.nextScheduleAt === undefined || hub.nextScheduleAt > now) return
  for (const schedule of hub.schedules.values()) {
    if (schedule.nextAt === undefined || schedule.nextAt > now) continue
    if (!schedule.paused) {
      schedule.lastAt = schedule.nextAt
      schedule.lastStates = trigger(hub, schedule)
    }
    schedule.nextAt = nextTrigger(schedule, now)
    saveScheduleState(hub, schedule)
  }
  refreshScheduleWake(hub)
}

/** Nothing is sent when the URL group is gone, or no queue may be made any more. */
function trigger(hub: Hub, schedule: Schedule): Readonly<Record<string, ScheduleState>> {
  const { envelope, queueName, id: scheduleId } = schedule
  const states: Record<string, ScheduleState> = {}
  try {
    const { targets } = resolveDestination(hub, schedule.destination)
    if (queueName !== undefined) ensureQueue(hub, queueName)
    for (const target of targets) {
      states[admit(hub, { ...target, envelope, queueName, scheduleId }).id] = 'IN_PROGRESS'
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
  }
  return states
}
