import { OpenAPIHono, type RouteConfig } from '@hono/zod-openapi'
import { problem, type Route, services } from '@stoa/contracts'
import { gateway } from '@stoa/contracts/gateway'
import type { Service } from '@stoa/http'
import { z } from 'zod'

const json = (schema: z.ZodType) => ({ 'application/json': { schema } })

const security = {
  public: [],
  cart: [{}, { session: [] }, { cart: [] }],
  member: [{ session: [] }],
  operator: [{ operator: [] }],
  importer: [{ importer: [] }],
  service: [],
} satisfies Record<Route['access'], RouteConfig['security']>

function operationOf(tag: string, route: Route): RouteConfig {
  const headers = z.object({ 'idempotency-key': z.string().min(1).max(255) })
  return {
    operationId: route.id,
    method: route.method,
    path: route.path,
    summary: route.summary,
    tags: [tag],
    security: security[route.access],
    request: {
      ...(route.params === undefined ? {} : { params: route.params }),
      ...(route.query === undefined ? {} : { query: route.query }),
      ...(route.body === undefined ? {} : { body: { required: true, content: json(route.body) } }),
      ...(route.idempotent === true ? { headers } : {}),
    },
    responses: {
      [route.status]: {
        description: 'Done',
        ...(route.reply === undefined ? {} : { content: json(route.reply) }),
      },
      default: {
        description: 'A problem (RFC 9457); `code` says which',
        content: { 'application/problem+json': { schema: problem } },
      },
    },
  }
}

/** The OpenAPI 3.1 document of every route that the gateway forwards or answers. */
export function openapiDocument(publicUrl: string) {
  const app = new OpenAPIHono()
  for (const name of ['session', 'operator', 'importer']) {
    app.openAPIRegistry.registerComponent('securitySchemes', name, {
      type: 'http',
      scheme: 'bearer',
    })
  }
  app.openAPIRegistry.registerComponent('securitySchemes', 'cart', {
    type: 'apiKey',
    in: 'header',
    name: 'X-Cart-Token',
  })
  const groups = Object.entries<Readonly<Record<string, Route>>>({ gateway, ...services })
  for (const [tag, routes] of groups) {
    for (const route of Object.values(routes)) {
      if (route.access !== 'service') app.openAPIRegistry.registerPath(operationOf(tag, route))
    }
  }
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Stoa',
      version: '1',
      description: 'A community and commerce backend for the edge.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: [{ url: publicUrl }],
  })
}

/** `GET /openapi.json`; made on first use, because it costs more than a start may. */
export function serveOpenapi({ app }: Service, publicUrl: string): void {
  let document: string | undefined
  app.get('/openapi.json', (c) => {
    document ??= JSON.stringify(openapiDocument(publicUrl))
    return c.body(document, 200, {
      'content-type': 'application/json',
      'cache-control': 'max-age=60',
    })
  })
}
