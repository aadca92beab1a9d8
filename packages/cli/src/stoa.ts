/** `npm run stoa`: the command line of whoever looks after the databases. */
import { runStoa } from './stoa/program.ts'

process.exitCode = await runStoa(process.argv.slice(2))
