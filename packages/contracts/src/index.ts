/**
 * The only thing two services share: the routes of the public API and the events between services, each with the
 * schema that its server and its clients check. `clientOf` makes a typed client of a service's routes.
 */
export { type Access, type Input, type Output, route, type Route } from './route.ts'
export { type Arguments, callHeaders, type Client, clientOf, fetcherAt } from './client.ts'
export { problem, RemoteFault } from './problem.ts'
export { type Consumer, consumers, type Links, type Service, services } from './services.ts'
export { consumersOf, type EventData, events, type EventType, isEventType } from './events.ts'
