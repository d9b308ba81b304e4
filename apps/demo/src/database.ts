import { openEmbedded } from './embedded.js'
import { openPostgres } from './postgres.js'
import type { Progress } from './progress.js'

/** Runs SQL. Values go into `parameters`, never into the text. */
export interface Queryable {
  query<Row>(sql: string, parameters?: unknown[]): Promise<{ rows: Row[] }>
}

/** PostgreSQL, embedded or by the network: the same SQL runs on both. */
export interface Database extends Queryable {
  /** What people read about it at the start. */
  readonly description: string
  /** Tells one set of data from another: what is cached of one must never be found for the other. */
  readonly identity: string
  /** Runs `work` in one transaction, which is rolled back when it rejects. */
  transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T>
  /** Ends every connection. */
  close(): Promise<void>
}

/**
 * Opens the database at `url`, or without one an embedded database, and fills it with the catalogue where it has none yet.
 *
 * @throws StartError when it cannot be reached or used
 */
export function openDatabase(url: string | undefined, onProgress: Progress): Promise<Database> {
  return url === undefined ? openEmbedded(onProgress) : openPostgres(url, onProgress)
}
