/** A libSQL server in the process: Hrana 2 and 3 over HTTP, on SQLite files, with sqld's words and limits. */
export { createLibsql, DatabaseNameError } from './engine.ts'
export type { LibsqlOptions } from './engine.ts'
