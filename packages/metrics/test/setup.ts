import cacheAside, { type CacheAsideOptions } from '@larder/cache-aside'
import events from '@larder/events'
import leaderboard from '@larder/leaderboard'
import locks from '@larder/locks'
import metrics, { type MetricsOptions } from '@larder/metrics'
import rateLimit from '@larder/rate-limit'
import responseCache from '@larder/response-cache'
import sessions from '@larder/sessions'
import tags from '@larder/tags'
import { type T, uniqueNamespace } from '@larder/test-redis'
import writeBehind, { type Counter } from '@larder/write-behind'
import fastify, { type FastifyInstance } from 'fastify'
import type { Redis } from 'ioredis'

export { client, codeOf, type T } from '@larder/test-redis'

/** An application with metrics and a cache. */
export async function open(
  t: T,
  options: MetricsOptions = {},
  cache: CacheAsideOptions = {},
): Promise<{ app: FastifyInstance; namespace: string }> {
  const app = fastify()
  t.teardown(() => app.close())
  const namespace = cache.namespace ?? uniqueNamespace()
  await app.register(metrics, options)
  await app.register(cacheAside, { redis: false, ...cache, namespace })
  await app.ready()
  return { app, namespace }
}

/** An application with every plugin. */
export async function openAll(t: T, redis: Redis | false, options: MetricsOptions = {}): Promise<FastifyInstance> {
  const app = fastify()
  t.teardown(() => app.close())
  const shared = { redis, namespace: uniqueNamespace() }
  await app.register(cacheAside, shared)
  await app.register(tags, shared)
  await app.register(responseCache)
  await app.register(locks, shared)
  await app.register(sessions, { ...shared, secret: 's'.repeat(32), cookie: { secure: false } })
  await app.register(rateLimit, { ...shared, max: 2, global: false })
  await app.register(events, shared)
  await app.register(leaderboard, shared)
  await app.register(writeBehind, shared)
  await app.register(metrics, options)
  app.get('/limited', { config: { rateLimit: { max: 1 } } }, async () => 'ok')
  app.get('/page/:id', { config: { responseCache: { ttl: '1m', staleWhileRevalidate: '1m' } } }, async () => 'ok')
  app.post('/login', async (request) => {
    await request.login('ann')
    return 'ok'
  })
  app.post('/logout', async (request) => {
    await request.logout()
    return 'ok'
  })
  counters.set(app, app.writeBehind.counter('views', { every: '50ms', flush: async () => {} }))
  await app.ready()
  return app
}

const counters = new WeakMap<FastifyInstance, Counter>()

/** The counter of an application with every plugin. */
export function views(app: FastifyInstance): Counter {
  return counters.get(app) as Counter
}

/** The samples of what Prometheus reads, as `name{labels}` to value. */
export function samples(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
}

/** What the route answers. */
export async function scrape(app: FastifyInstance, url = '/metrics'): Promise<Map<string, number>> {
  const answer = await app.inject(url)
  if (answer.statusCode !== 200) throw new Error(`${answer.statusCode} ${answer.body}`)
  return samples(answer.body)
}
