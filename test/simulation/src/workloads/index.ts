import type { Workload } from '../workload.ts'
import { reshard } from './reshard.ts'

/** Every protocol that has a world of its own. */
export const workloads: readonly Workload[] = [reshard]

/** @throws RangeError for a name that is not there. */
export function workloadOf(name: string): Workload {
  const found = workloads.find((workload) => workload.name === name)
  if (found !== undefined) return found
  const names = workloads.map((workload) => workload.name).join(', ')
  throw new RangeError(`Cannot simulate "${name}": choose one of ${names}`)
}
