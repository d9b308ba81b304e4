import { openSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { addViews, type Queryable } from '@larder/demo'
import { serveWorker } from '@larder/test-redis'
import writeBehind from '@larder/write-behind'
import fastify from 'fastify'
import { Redis } from 'ioredis'
import pg from 'pg'

/** One of several processes that count views and flush them, until it is killed. */
const { REDIS = '', DATABASE = '', ACCOUNT = '', POISON = '' } = process.env
const GROUP = 10

const redis = new Redis(REDIS, { retryStrategy: () => 50 })
redis.on('error', () => {})
const pool = new pg.Pool({ connectionString: DATABASE, connectionTimeoutMillis: 1_000, query_timeout: 2_000, max: 4 })
pool.on('error', () => {})
// The test sees by it whose statement it is.
const database: Queryable = {
  query: async <Row>(sql: string, parameters?: unknown[]) => {
    const { rows } = await pool.query(`/* ${process.pid} */ ${sql}`, parameters)
    return { rows: rows as Row[] }
  },
}

const app = fastify()
await app.register(writeBehind, { redis, namespace: 'chaos', deadline: 500 })
let healed = false
const views = app.writeBehind.counter('views', {
  every: 200,
  shards: 2,
  lease: 1_000,
  attempts: 1_000,
  retryDelay: 50,
  maxRetryDelay: 500,
  retry: (error) => (error as Error).message !== 'poison',
  flush: async (batch) => {
    service.notify('flushing')
    if (!healed && batch.entries.has(POISON)) throw new Error('poison')
    await addViews(database, batch)
  },
})

/** Survives this process: increments begun, stored, kept and refused. */
const account = new Float64Array(4)
const file = openSync(ACCOUNT, 'w')
const record = (): number => writeSync(file, account, 0, account.byteLength, 0)

const methods = {
  /** Counts so many views, half of them of the first product, in about so many milliseconds. */
  work: async (increments: number, milliseconds: number) => {
    const pause = (milliseconds * GROUP) / increments
    for (let i = 0; i < increments; i += GROUP) {
      account[0] = (account[0] ?? 0) + GROUP
      record()
      await Promise.all(Array.from({ length: GROUP }, count))
      record()
      await sleep(pause)
    }
  },
  poison: async () => {
    account[0] = (account[0] ?? 0) + 1
    await count(undefined, 0, Number(POISON))
    record()
  },
  heal: () => {
    healed = true
  },
  /** Whether all that waited is in the database; `dead`: but for dead letters. */
  flush: async () => {
    try {
      await views.flush({ timeout: 20_000 })
      return 'flushed'
    } catch (error) {
      return (error as { code?: string }).code ?? String(error)
    }
  },
  letters: async () => (await views.deadLetters.list()).map(({ id, entries, error }) => ({ id, entries, error })),
  replay: (id: string) => views.deadLetters.replay(id),
}

/** What the test calls. */
export type Methods = typeof methods

async function count(_: unknown, __: number, product = Math.random() < 0.5 ? 1 : 2 + Math.floor(Math.random() * 40)) {
  try {
    const place = (await views.increment(product)) === 'stored' ? 1 : 2
    account[place] = (account[place] ?? 0) + 1
  } catch {
    account[3] = (account[3] ?? 0) + 1
  }
}

const service = serveWorker(methods, {
  onStop: async () => {
    await app.close()
    redis.disconnect()
    await pool.end()
  },
})
