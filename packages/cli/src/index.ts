/**
 * The hands of an operator: databases provisioned and migrated, on the machine of whoever runs it.
 */
export {
  localProvider,
  provision,
  type Provider,
  type Provisioned,
  type ProvisionOptions,
} from './provision.ts'
export {
  ChangedMigrationError,
  keyspaceNames,
  migrate,
  type Migration,
  migrationsOf,
} from './migrations.ts'
export {
  type Database,
  type DatabaseReport,
  migrateAll,
  type MigrateOptions,
  type Outcome,
} from './migrate-all.ts'
export { deploy, type Deployment, type DeploymentOptions, type Shape } from './deployment.ts'
export { localCaches, localLogs } from './local-caches.ts'
export { importRows } from './import/import-rows.ts'
export type { ImportOptions, ImportProgress, ImportReport } from './import/options.ts'
