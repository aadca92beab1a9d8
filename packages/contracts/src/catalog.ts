import { z } from 'zod'

import {
  categoryKey,
  currency,
  memberId,
  minorUnits,
  moment,
  page,
  pageOf,
  productId,
  sku,
} from './fields.ts'
import { importOf, importReply } from './imports.ts'
import { route } from './route.ts'

const title = z.string().trim().min(1).max(200)
const stock = z.int().min(0).max(1_000_000_000)

const content = {
  sku,
  title,
  description: z.string().max(5_000).default(''),
  category: categoryKey,
  priceMinor: minorUnits,
  currency,
}

export const product = z.object({
  id: productId,
  sku,
  title,
  description: z.string(),
  category: categoryKey,
  priceMinor: minorUnits,
  currency,
  seller: memberId.nullable(),
  createdAt: moment,
})

export const category = z.object({
  key: categoryKey,
  name: z.string(),
  path: z.array(z.object({ key: categoryKey, name: z.string() })),
})

export const catalog = {
  createProduct: route({
    id: 'createProduct',
    method: 'post',
    path: '/v1/products',
    summary: 'Offer a product, with its first stock',
    access: 'member',
    idempotent: true,
    body: z.object({ ...content, stock: stock.default(0) }),
    status: 201,
    reply: product,
  }),
  getProduct: route({
    id: 'getProduct',
    method: 'get',
    path: '/v1/products/{product}',
    summary: 'Read a product with its price, stock and counts; what cannot be told now is null',
    access: 'public',
    params: z.object({ product: productId }),
    status: 200,
    reply: product.extend({
      available: z.int().nullable(),
      sold: z.int().nullable(),
    }),
  }),
  /** For carts and orders: only what prices need. */
  getOffers: route({
    id: 'getOffers',
    method: 'get',
    path: '/v1/offers',
    summary: 'Read the prices of up to 100 products; unknown ones are left out',
    access: 'public',
    query: z.object({
      products: z
        .string()
        .transform((text) => text.split(','))
        .pipe(z.array(productId).min(1).max(100)),
    }),
    status: 200,
    reply: z.object({
      offers: z.array(
        z.object({
          product: productId,
          title,
          priceMinor: minorUnits,
          currency,
          seller: memberId.nullable(),
        }),
      ),
    }),
  }),
  getSku: route({
    id: 'getSku',
    method: 'get',
    path: '/v1/skus/{sku}',
    summary: 'Find a product by its stock keeping unit',
    access: 'public',
    params: z.object({ sku }),
    status: 200,
    reply: product,
  }),
  browse: route({
    id: 'browse',
    method: 'get',
    path: '/v1/categories/{category}/products',
    summary: "List a category's products, newest first",
    access: 'public',
    params: z.object({ category: categoryKey }),
    query: page,
    status: 200,
    reply: pageOf(product.pick({ id: true, title: true, priceMinor: true, currency: true })),
  }),
  getCategory: route({
    id: 'getCategory',
    method: 'get',
    path: '/v1/categories/{category}',
    summary: 'Read a category with its path from the root',
    access: 'public',
    params: z.object({ category: categoryKey }),
    status: 200,
    reply: category,
  }),
  importCategories: route({
    id: 'importCategories',
    method: 'post',
    path: '/v1/imports/categories',
    summary: 'Create categories',
    access: 'importer',
    body: importOf({
      key: categoryKey,
      name: z.string().trim().min(1).max(200),
      path: z.array(z.object({ key: categoryKey, name: z.string().max(200) })).max(20),
    }),
    bodyBytesMax: 2_097_152,
    status: 200,
    reply: importReply,
  }),
  importProducts: route({
    id: 'importProducts',
    method: 'post',
    path: '/v1/imports/products',
    summary: 'Create products with their stock; one whose sku exists is left as it is',
    access: 'importer',
    body: importOf({ ...content, seller: memberId.optional(), stock: stock.default(0) }),
    bodyBytesMax: 4_194_304,
    status: 200,
    reply: importReply,
  }),
  mendProductClaim: route({
    id: 'mendProductClaim',
    method: 'post',
    path: '/internal/products/claims',
    summary: 'Make the entry by which a product is found say what the row of the product says',
    access: 'service',
    body: z.object({
      product: productId,
      /** Of the entry; that of the row when absent. */
      sku: z.string().min(1).max(64).optional(),
    }),
    status: 204,
  }),
} as const
