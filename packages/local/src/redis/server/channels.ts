import type { Bytes } from '../bytes.ts'

/** What stands before the channels of a database; Redis itself has one set of channels for all databases. */
function prefixOf(db: number): Bytes {
  return db === 0 ? '' : `\0${db}\0`
}

/** The channel, or the pattern, as the server knows it. */
export function serverChannel(db: number, channel: Bytes): Bytes {
  return prefixOf(db) + channel
}

/** The channel, or the pattern, as the database knows it. */
export function ownChannel(db: number, channel: Bytes): Bytes {
  return channel.slice(prefixOf(db).length)
}
