import { catalog } from '@stoa/contracts/catalog'
import { formatCursor, readCursor, type Service } from '@stoa/http'
import { timeKey, typedId } from '@stoa/kernel'

import type { Deps } from '../deps.ts'
import { CategoryNotFoundError } from '../domain/category.ts'

export function serveCategories(service: Service, { categories }: Deps): void {
  service.serve(catalog.getCategory, async ({ params }, { call }) => {
    const category = await categories.get(params.category, call)
    if (category === undefined) throw new CategoryNotFoundError()
    return { ...category, path: [...category.path] }
  })

  service.serve(catalog.browse, async ({ params, query: { limit, cursor } }, { call }) => {
    const after = cursor === undefined ? undefined : timeKey(readCursor(cursor))
    // One more than is shown tells whether there is another page.
    const found = await categories.browse(params.category, { limit: limit + 1, after }, call)
    if (found === undefined) throw new CategoryNotFoundError()
    const shown = found.slice(0, limit)
    const last = shown.at(-1)
    return {
      items: shown.map(({ id, ...content }) => ({ id: typedId('prd', id), ...content })),
      ...(last === undefined || found.length <= limit ? {} : { next: formatCursor(last.id) }),
    }
  })

  service.serve(catalog.importCategories, async ({ body }, { call, principal }) => {
    await principal()
    const added = new Set(
      await categories.addAll(
        body.lines.map(({ line: _line, ...category }) => category),
        call,
      ),
    )
    // A key that comes twice in one import is created by its first line.
    return {
      results: body.lines.map(({ line, key }) => ({
        line,
        outcome: added.delete(key) ? ('created' as const) : ('exists' as const),
        id: key,
      })),
    }
  })
}
