// Views of pages, counted behind the write: a thousand requests, one row update a page. Runs without Redis, too: REDIS_URL names one.
import writeBehind from '@larder/write-behind'
import Fastify from 'fastify'
import { Redis } from 'ioredis'

/** A table, and the batches that were written to it. In SQL both change in one transaction: see the README. */
const table = new Map<string, number>()
const batches = new Set<string>()

const redis = process.env.REDIS_URL === undefined ? false : new Redis(process.env.REDIS_URL)
const app = Fastify()
await app.register(writeBehind, { redis })

let updates = 0
const views = app.writeBehind.counter('example', {
  every: '2s',
  flush: ({ id, entries }) => {
    if (batches.has(id)) return
    batches.add(id)
    for (const [page, count] of entries) {
      table.set(page, (table.get(page) ?? 0) + count)
      updates++
    }
  },
})

app.get('/pages/:page', async (request) => {
  const { page } = request.params as { page: string }
  await views.increment(page)
  return { page, views: (table.get(page) ?? 0) + (await views.pending(page)) }
})

for (let i = 0; i < 1_000; i += 50) {
  await Promise.all(Array.from({ length: 50 }, (_, j) => app.inject(`/pages/${(i + j) % 4}`)))
}
console.log((await app.inject('/pages/0')).body)
await views.flush()
console.log(Object.fromEntries([...table].sort()), `${updates} row updates for 1001 views`)

await app.close()
if (redis) redis.disconnect()
