import { drizzleOn } from '@stoa/adapters/libsql'

/** Builds queries and runs none: the router decides where each goes. */
export const db = drizzleOn()
