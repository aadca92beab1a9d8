import type { Answer } from '../../control/exchange.ts'
import { checkUrl } from '../destination.ts'
import { flatten } from '../header-names.ts'
import type { Hub } from '../hub.ts'
import type { Endpoint, UrlGroup } from '../model.ts'
import { checkName } from '../queues.ts'
import { forgetRecord, saveRecord } from '../records.ts'
import { Refusal } from '../refusal.ts'
import { groupView } from '../views.ts'
import { empty, json, jsonObject, methodNotAllowed, notFound } from './request.ts'
import type { ApiRequest } from './request.ts'

/** `/v2/topics…` */
export function urlGroups(request: ApiRequest): Answer {
  const { hub, exchange, segments } = request
  const [name, part] = segments
  const { method } = exchange
  if (name === undefined) {
    if (method === 'GET') return json(200, [...hub.groups.values()].map(groupView))
    throw methodNotAllowed(request)
  }
  checkName(name, 'url group name')
  if (part === 'endpoints') return endpoints(request, name)
  if (part !== undefined) throw notFound('route')
  const group = hub.groups.get(name)
  if (method === 'DELETE') {
    if (group !== undefined) remove(hub, group)
    return empty()
  }
  if (group === undefined) throw notFound(`url group "${name}"`)
  if (method === 'GET') return json(200, groupView(group))
  if (method === 'PATCH') return setHeaders(request, group)
  throw methodNotAllowed(request)
}

function endpoints(request: ApiRequest, name: string): Answer {
  const { hub, exchange } = request
  const group = hub.groups.get(name)
  if (exchange.method === 'POST') {
    const given = readEndpoints(request, true)
    save(hub, group ?? create(hub, name), merged(hub, group?.endpoints ?? [], given))
    return empty()
  }
  if (exchange.method !== 'DELETE') throw methodNotAllowed(request)
  const given = readEndpoints(request, false)
  if (group === undefined) throw notFound(`url group "${name}"`)
  const kept = group.endpoints.filter((endpoint) => !given.some((one) => isSame(endpoint, one)))
  if (kept.length === 0) remove(hub, group)
  else save(hub, group, kept)
  return empty()
}

function setHeaders(request: ApiRequest, group: UrlGroup): Answer {
  const { headers } = jsonObject(request)
  if (typeof headers !== 'object' || headers === null) {
    throw new Refusal(400, 'headers must be an object')
  }
  group.headers = flatten({ ...headers })
  save(request.hub, group, group.endpoints)
  return empty()
}

/** Not entered yet: a refused endpoint must leave no group behind. */
function create(hub: Hub, name: string): UrlGroup {
  if (hub.groups.size >= hub.limits.urlGroups) {
    throw new Refusal(412, `number of url groups exceeds the limit of ${hub.limits.urlGroups}`)
  }
  const now = hub.now()
  return { name, createdAt: now, updatedAt: now, endpoints: [], headers: {} }
}

function save(hub: Hub, group: UrlGroup, kept: readonly Endpoint[]): void {
  group.endpoints = kept
  group.updatedAt = hub.now()
  hub.groups.set(group.name, group)
  saveRecord(hub, { kind: 'group', key: group.name }, group)
}

function remove(hub: Hub, group: UrlGroup): void {
  hub.groups.delete(group.name)
  forgetRecord(hub, { kind: 'group', key: group.name })
}

/** An endpoint replaces the one with its name, or without a name the one with its URL. */
function merged(
  hub: Hub,
  old: readonly Endpoint[],
  given: readonly Partial<Endpoint>[],
): Endpoint[] {
  const result = [...old]
  for (const { name, url = '' } of given) {
    const at = result.findIndex((one) => (name === undefined ? one.url === url : one.name === name))
    const next = name === undefined ? { url } : { name, url }
    if (at === -1) result.push(next)
    else result[at] = next
  }
  if (result.length > hub.limits.endpoints) {
    throw new Refusal(412, `number of endpoints exceeds the limit of ${hub.limits.endpoints}`)
  }
  return result
}

/** Removal goes by name when one is given, else by URL. */
function isSame(endpoint: Endpoint, given: Partial<Endpoint>): boolean {
  return given.name === undefined ? endpoint.url === given.url : endpoint.name === given.name
}

function readEndpoints(request: ApiRequest, isUpsert: boolean): readonly Partial<Endpoint>[] {
  const given = jsonObject(request)['endpoints']
  if (!Array.isArray(given) || given.length === 0) {
    throw new Refusal(400, 'endpoints must be a list with at least one endpoint')
  }
  return given.map((one: unknown) => readEndpoint(one, isUpsert))
}

function readEndpoint(given: unknown, isUpsert: boolean): Partial<Endpoint> {
  const { url, name }: Record<string, unknown> = typeof given === 'object' ? { ...given } : {}
  const named = typeof name === 'string' && name !== '' ? { name } : {}
  if (named.name !== undefined) checkName(named.name, 'endpoint name')
  if (typeof url !== 'string') {
    if (isUpsert || named.name === undefined) throw new Refusal(400, 'endpoint url is missing')
    return named
  }
  if (isUpsert) checkUrl(url, 'endpoint url')
  return { ...named, url }
}
