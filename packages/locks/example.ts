// Two buyers want the last item; the lock lets one after the other. Run it with REDIS_URL to lock over processes.
import locks from '@larder/locks'
import Fastify from 'fastify'
import { Redis } from 'ioredis'

const url = process.env.REDIS_URL
const client = url ? new Redis(url) : undefined
const app = Fastify()
await app.register(locks, { redis: client ?? false })

let stock = 1
const buy = (buyer: string): Promise<string> =>
  app.locks.using(['stock', 42], { ttl: '10s', wait: '2s' }, async (lock) => {
    const seen = stock
    await new Promise((resolve) => setImmediate(resolve))
    if (!lock.held || seen === 0) return `${buyer} gets nothing`
    stock = seen - 1
    return `${buyer} gets it`
  })

console.log(await Promise.all([buy('Ada'), buy('Grace')]), 'left:', stock)
await app.close()
client?.disconnect()
