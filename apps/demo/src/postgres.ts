import pg from 'pg'
import { hideSecret } from './config.js'
import type { Database, Queryable } from './database.js'
import { DatabaseUnavailableError, StartError } from './errors.js'
import type { Progress } from './progress.js'
import { seed } from './seed.js'

const CONNECT_LIMIT = 4_000
const QUERY_LIMIT = 15_000

/** Classes of SQLSTATE that say that the server, not the statement, is at fault. */
const SERVER_AWAY = /^(08|57P|53)/
/** What `pg` and the network say when there is no server; these errors have no SQLSTATE. */
const CONNECTION_LOST =
  /ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EHOSTUNREACH|terminated|timeout|not queryable/i

/** A PostgreSQL server. A connection that breaks is replaced; meanwhile queries reject with `SHOP_DATABASE_UNAVAILABLE`. */
export async function openPostgres(url: string, onProgress: Progress): Promise<Database> {
  const pool = new pg.Pool({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_LIMIT,
    query_timeout: QUERY_LIMIT,
    application_name: 'larder-shop',
  })
  // An idle connection that breaks says so here; unheard it would end the process.
  pool.on('error', () => {})
  try {
    const identity = await transact(pool, (transaction) => seed(transaction, onProgress))
    return {
      description: `PostgreSQL at ${hideSecret(url)}`,
      identity,
      query: (sql, parameters) => ask(pool, sql, parameters),
      transaction: (work) => transact(pool, work),
      close: () => pool.end(),
    }
  } catch (error) {
    await pool.end()
    const cause = error instanceof DatabaseUnavailableError ? error.cause : error
    throw new StartError(`Cannot use the database at ${hideSecret(url)} (DATABASE_URL): ${reason(cause)}`)
  }
}

async function ask<Row>(on: pg.Pool | pg.PoolClient, sql: string, parameters?: unknown[]): Promise<{ rows: Row[] }> {
  try {
    const { rows } = await on.query(sql, parameters)
    return { rows: rows as Row[] }
  } catch (error) {
    throw isAway(error) ? new DatabaseUnavailableError({ cause: error }) : error
  }
}

async function transact<T>(pool: pg.Pool, work: (transaction: Queryable) => Promise<T>): Promise<T> {
  const client = await pool.connect().catch((error) => {
    throw isAway(error) ? new DatabaseUnavailableError({ cause: error }) : error
  })
  const onError = () => {}
  client.on('error', onError)
  let broken: Error | undefined
  try {
    await ask(client, 'BEGIN')
    const result = await work({ query: (sql, parameters) => ask(client, sql, parameters) })
    await ask(client, 'COMMIT')
    return result
  } catch (error) {
    await client.query('ROLLBACK').catch((failure: Error) => {
      broken = failure
    })
    throw error
  } finally {
    client.off('error', onError)
    client.release(broken)
  }
}

function isAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = 'code' in error ? String(error.code) : ''
  return SERVER_AWAY.test(code) || CONNECTION_LOST.test(`${code} ${/^[0-9A-Z]{5}$/.test(code) ? '' : error.message}`)
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // A name with several addresses fails with one error an address, and an empty message of its own.
  if (error instanceof AggregateError) return error.errors.map((each: Error) => each.message).join(', ')
  return error.message || ('code' in error ? String(error.code) : error.name)
}
