/** Reads of the schema, allowed with and without an argument. */
const readPragmas = new Set([
  'table_list',
  'index_list',
  'table_info',
  'table_xinfo',
  'index_info',
  'index_xinfo',
  'pragma_list',
  'compile_options',
  'database_list',
  'function_list',
  'module_list',
  'encoding',
])

/** Allowed with and without an argument, but only for a session that may write. */
const writePragmas = new Set([
  'defer_foreign_keys',
  'foreign_keys',
  'foreign_key_list',
  'foreign_key_check',
  'collation_list',
  'data_version',
  'freelist_count',
  'integrity_check',
  'legacy_file_format',
  'page_count',
  'quick_check',
  'stats',
  'user_version',
])

/** May be read, never set: they belong to the server. */
const fixedPragmas = new Set([
  'analysis_limit',
  'application_id',
  'auto_vacuum',
  'automatic_index',
  'busy_timeout',
  'cache_size',
  'cache_spill',
  'cell_size_check',
  'checkpoint_fullfsync',
  'fullfsync',
  'hard_heap_limit',
  'journal_mode',
  'journal_size_limit',
  'legacy_alter_table',
  'locking_mode',
  'max_page_count',
  'mmap_size',
  'page_size',
  'query_only',
  'read_uncommitted',
  'recursive_triggers',
  'reverse_unordered_selects',
  'secure_delete',
  'soft_heap_limit',
  'synchronous',
  'temp_store',
  'threads',
  'trusted_schema',
  'wal_autocheckpoint',
])

/**
 * What sqld makes of a PRAGMA: a read, a write, or (undefined) a refusal.
 *
 * @see libsql-server/src/query_analysis.rs, `pragma_kind`
 */
export function isPragmaAllowed(name: string, hasArgument: boolean): 'read' | 'write' | undefined {
  if (readPragmas.has(name)) return 'read'
  if (name === 'schema_version') return hasArgument ? undefined : 'read'
  if (writePragmas.has(name)) return 'write'
  return fixedPragmas.has(name) && !hasArgument ? 'write' : undefined
}
