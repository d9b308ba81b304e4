// A page is renewed when a tag that it bears is invalidated.
import cacheAside from '@larder/cache-aside'
import tags from '@larder/tags'
import Fastify from 'fastify'

const app = Fastify()
await app.register(tags, { redis: false })
await app.register(cacheAside, { redis: false })

let loads = 0
const page = () => app.cache.getOrSet('page', () => ++loads, { tags: ['products'] })
console.log('loaded', await page(), 'and kept', await page())
await app.tags.invalidate('products')
console.log('loaded again', await page())
await app.close()
