// A cached product route, and one that empties the cache. Run it with REDIS_URL to share the cache between processes.
import cacheAside from '@larder/cache-aside'
import Fastify from 'fastify'
import { Redis } from 'ioredis'

const url = process.env.REDIS_URL
const client = url ? new Redis(url) : undefined
const app = Fastify()
await app.register(cacheAside, { redis: client ?? false, ttl: '1m' })

let loads = 0
const getProduct = app.cache.wrap('product', async (id: number) => ({ id, loads: ++loads }))
app.get('/products/:id', (request) => getProduct(Number((request.params as { id: string }).id)))

const paths = ['/products/1', '/products/1', '/products/2']
for (const path of paths) console.log(path, (await app.inject(path)).body)
await getProduct.invalidate(1)
console.log('after the invalidation', (await app.inject('/products/1')).body)
await app.close()
client?.disconnect()
