import { subscribe } from 'node:diagnostics_channel'
import { setTimeout as sleep } from 'node:timers/promises'
import { addViews, type Queryable } from '@larder/demo'
import { serveWorker } from '@larder/test-redis'
import writeBehind, { type WriteBehindEvent } from '@larder/write-behind'
import fastify from 'fastify'
import { Redis } from 'ioredis'
import pg from 'pg'
import { Account } from '../views/account.js'

/** One of several processes that count views and flush them, until it is killed. */
const { REDIS = '', DATABASE = '', ACCOUNT = '', POISON = '' } = process.env
/** How many views are begun at once, so how many may be without an answer. */
const GROUP = 10

/** Where a process dies by its own hand: counting, with a batch in its hands, or when that is committed and Redis does not know it. */
export type Death = 'appending' | 'before' | 'after'
let death: Death | undefined
const die = (): void => void process.kill(process.pid, 'SIGKILL')

const redis = new Redis(REDIS, { retryStrategy: () => 50 })
redis.on('error', () => {})
const pool = new pg.Pool({ connectionString: DATABASE, connectionTimeoutMillis: 1_000, query_timeout: 2_000, max: 4 })
pool.on('error', () => {})
// The test sees by it whose statement it is, and of which batch.
const database: Queryable = {
  query: async <Row>(sql: string, parameters?: unknown[]) => {
    const { rows } = await pool.query(`/* ${process.pid} ${parameters?.[0]} */ ${sql}`, parameters)
    return { rows: rows as Row[] }
  },
}

const account = Account.open(ACCOUNT)
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
    if (death === 'before') die()
    if (!healed && batch.entries.has(POISON)) throw new Error('poison')
    await addViews(database, batch)
    if (death === 'after') die()
  },
})
subscribe('larder:write-behind', (event) => {
  if ((event as WriteBehindEvent).type !== 'failed') return
  account.tally('failed')
  account.record()
})
const unsent = (): number => app.writeBehind.states.reduce((sum, { values }) => sum + (values.unsent ?? 0), 0)

async function count(product: number): Promise<void> {
  const place = product === Number(POISON) ? 0 : product
  try {
    const answer = await views.increment(product)
    account.add(place, answer)
    if (answer === 'kept') account.tally('everKept')
  } catch {
    account.add(place, 'refused')
  }
}

async function countAll(products: readonly number[]): Promise<void> {
  for (const product of products) account.add(product === Number(POISON) ? 0 : product, 'begun')
  account.record()
  const counted = products.map(count)
  if (death === 'appending') {
    // Nothing was sent; all was sent and nothing answered; or some was answered.
    const moment = Math.floor(Math.random() * 3)
    if (moment === 1) await new Promise((resolve) => setImmediate(resolve))
    if (moment === 2) await Promise.race(counted)
    die()
  }
  await Promise.all(counted)
  if (unsent() === 0) account.settle()
  account.record()
}

/** Half of the views are of the first product. */
const anyProduct = (): number => (Math.random() < 0.5 ? 1 : 2 + Math.floor(Math.random() * 40))

const methods = {
  /** Counts so many views in about so many milliseconds. */
  work: async (increments: number, milliseconds: number) => {
    const pause = (milliseconds * GROUP) / increments
    for (let i = 0; i < increments; i += GROUP) {
      await countAll(Array.from({ length: Math.min(GROUP, increments - i) }, anyProduct))
      await sleep(pause)
    }
  },
  poison: () => countAll([Number(POISON)]),
  heal: () => {
    healed = true
  },
  /** Dies there the next time, unless told otherwise. */
  dieAt: (when: Death | undefined) => {
    death = when
  },
  /** Whether all that waited is in the database; else why not. */
  flush: async () => {
    try {
      await views.flush({ timeout: 20_000 })
      account.settle()
      account.record()
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

serveWorker(methods, {
  onStop: async () => {
    await app.close()
    redis.disconnect()
    await pool.end()
  },
})
