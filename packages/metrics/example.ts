// Counts what a cache does, and shows what Prometheus would read of it: tsx example.ts
import cacheAside from '@larder/cache-aside'
import metrics from '@larder/metrics'
import Fastify from 'fastify'

const app = Fastify({ logger: { level: 'warn' } })
await app.register(metrics, { report: '10s' })
await app.register(cacheAside, { redis: false, namespace: 'shop', ttl: '1m' })
const getProduct = app.cache.wrap('product', async (id: number) => ({ id, name: `Product ${id}` }))
app.get<{ Params: { id: number } }>('/products/:id', (request) => getProduct(Number(request.params.id)))

for (const id of [1, 2, 1, 1]) await app.inject(`/products/${id}`)
const { body } = await app.inject('/metrics')
console.log(
  body
    .split('\n')
    .filter((line) => line.startsWith('cache_requests_total'))
    .join('\n'),
)
await app.close()
