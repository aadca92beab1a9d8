import { checkUrl, isUrl } from './destination.ts'
import type { Hub } from './hub.ts'
import type { Birth } from './lifecycle.ts'
import type { UrlGroup } from './model.ts'
import { nameRule } from './queues.ts'
import { Refusal } from './refusal.ts'

type Target = Pick<Birth, 'url' | 'topicName' | 'endpointName'>

export type Resolved = {
  readonly targets: readonly Target[]
  /** Set when the destination is a URL group. */
  readonly group?: UrlGroup
}

/**
 * The URLs a destination stands for: itself, or the endpoints of the URL group of that name.
 *
 * @throws Refusal 400 when it is neither a URL nor a name, 404 when there is no such group.
 */
export function resolveDestination(hub: Hub, destination: string): Resolved {
  if (isUrl(destination)) {
    checkUrl(destination, 'destination url')
    return { targets: [{ url: destination }] }
  }
  if (/^api\/(?:llm|email)\b/.test(destination)) {
    throw new Refusal(400, `destination "${destination}" is not available in the emulator`)
  }
  if (!nameRule.test(destination)) checkUrl(destination, 'destination url')
  const group = hub.groups.get(destination)
  if (group === undefined) throw new Refusal(404, `url group "${destination}" not found`)
  const targets = group.endpoints.map(({ url, name }) => ({
    url,
    topicName: group.name,
    endpointName: name,
  }))
  return { targets, group }
}
