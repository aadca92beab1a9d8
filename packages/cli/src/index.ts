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
export { deploy, type Deployment, type DeploymentOptions, type Shape } from './deployment.ts'
