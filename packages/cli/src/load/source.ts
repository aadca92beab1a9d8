/** One line of input, with its number in the file, by which it is reported. */
export type Line<T> = { readonly line: number; readonly value: T }

/** A line that could not be read, and why. It is skipped. */
export type BadLine = { readonly file: string; readonly line: number; readonly why: string }

export type Member = { readonly handle: string; readonly email: string; readonly name: string }
/** Handles, because ids are the service's to give. */
export type Edge = { readonly follower: string; readonly followee: string }
export type Category = {
  readonly key: string
  readonly name: string
  readonly path: readonly { readonly key: string; readonly name: string }[]
}
export type Product = {
  readonly sku: string
  readonly title: string
  readonly description: string
  readonly category: string
  readonly priceMinor: number
  readonly currency: string
  readonly stock: number
}

/** Everything that a load brings in. */
export type Source = {
  readonly members: readonly Line<Member>[]
  readonly edges: readonly Line<Edge>[]
  readonly categories: readonly Line<Category>[]
  readonly products: readonly Line<Product>[]
  readonly bad: readonly BadLine[]
}
