import cacheAside, { type CacheAsideOptions } from '@larder/cache-aside'
import tags from '@larder/tags'
import Fastify, { type FastifyInstance } from 'fastify'

/** An application with a cache and tags, ready. */
export async function makeApp(options: CacheAsideOptions): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(tags, { redis: options.redis ?? false })
  await app.register(cacheAside, options)
  await app.ready()
  return app
}

/** About 900 bytes of JSON: a product as a shop keeps it. */
export function product(id: number): Record<string, unknown> {
  return {
    id,
    name: `Product ${id}`,
    description: 'A thing that does what it should, and lasts. '.repeat(10),
    price: 1999 + id,
    currency: 'EUR',
    categoryId: id % 40,
    images: Array.from({ length: 4 }, (_, i) => `https://images.example/${id}/${i}.jpg`),
    attributes: { colour: 'red', size: 'M', weight: 1.25, available: true },
  }
}
