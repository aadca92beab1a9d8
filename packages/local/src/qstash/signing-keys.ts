export type SigningKeys = { readonly current: string; readonly next: string }

/** User 1 of the vendor's development server. Published in the MIT client, not a secret: it lets clients recognise a dev server. */
export const devToken = 'eyJVc2VySUQiOiJkZWZhdWx0VXNlciIsIlBhc3N3b3JkIjoiZGVmYXVsdFBhc3N3b3JkIn0='

/** The signing keys of the same user. */
export const devSigningKeys: SigningKeys = {
  current: 'sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r',
  next: 'sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs',
}
