import { createRequire } from 'node:module'
import cacheAside from '@larder/cache-aside'
import metrics, { type Metrics, metrics as named } from '@larder/metrics'
import { pollUntil, sharedRedis, startRedis } from '@larder/test-redis'
import fastify from 'fastify'
import { Registry } from 'prom-client'
import t from 'tap'
import { client, codeOf, open, openAll, scrape, views } from './setup.js'

declare module '@larder/metrics' {
  interface MetricsInstances {
    second: Metrics
  }
}

const RESULTS = ['hit', 'stale', 'miss', 'coalesced', 'bypass', 'error']

t.test('import and require give the plugin itself', async (t) => {
  t.equal(named, metrics)
  t.equal(createRequire(import.meta.url)('@larder/metrics'), metrics)
})

t.test('each call of a cache is counted once, by its result', async (t) => {
  const { app, namespace } = await open(t)
  const { cache } = app
  const load = async () => 1
  await Promise.all([cache.getOrSet('a', load), cache.getOrSet('a', load), cache.getOrSet('a', load)])
  for (let i = 0; i < 5; i++) await cache.getOrSet('a', load)
  await cache.expire('a')
  await cache.get('a')
  await cache.get('none')
  await cache.getOrSet('bad', () => Promise.reject(new Error('no'))).catch(() => {})
  await cache.getMany(['a', 'b', 'c'], (keys) => keys)
  await cache.getMany(['d', 'e'])
  await cache.set('s', 1)
  await cache.delete('s')
  const found = await scrape(app)
  const of = (result: string) => found.get(`cache_requests_total{cache="${namespace}",result="${result}"}`)
  const counts = Object.fromEntries(RESULTS.map((result) => [result, of(result)]))
  const { hits, stale, misses, coalesced, bypass, errors, requests } = app.metrics.snapshot().caches[namespace] ?? {}
  t.strictSame(counts, { hit: hits, stale, miss: misses, coalesced, bypass, error: errors })
  t.strictSame(counts, { hit: 5, stale: 2, miss: 6, coalesced: 2, bypass: 0, error: 1 })
  t.equal(requests, 16)
  t.equal(found.get(`cache_hits_total{cache="${namespace}",layer="memory"}`), 5)
  t.equal(found.get(`cache_writes_total{cache="${namespace}",kind="set"}`), 1)
  t.equal(found.get(`cache_invalidations_total{cache="${namespace}",kind="delete"}`), 1)
  t.equal(found.get(`cache_load_duration_seconds_count{cache="${namespace}",outcome="error"}`), 1)
  t.equal(found.get(`cache_value_bytes_count{cache="${namespace}"}`), 5)
})

t.test('all series of a registration are there before anything happens', async (t) => {
  const app = await openAll(t, false)
  const { cache } = app
  const child = cache.namespace('child')
  const before = new Set((await scrape(app)).keys())
  await child.getOrSet('a', () => 1)
  await cache.getOrSet('a', () => 1)
  await cache.getOrSet('bad', () => Promise.reject(new Error('no'))).catch(() => {})
  await app.tags.invalidate('x')
  await app.locks.using('x', () => app.locks.tryAcquire('x'))
  await app.events.publish('x', 1)
  await app.leaderboards.board('x').increment('ann')
  for (let i = 0; i < 2; i++) await app.inject('/page/1')
  await app.responseCache.purge('/page/1')
  await views(app).increment('a')
  await app.writeBehind.flush()
  const login = await app.inject({ method: 'POST', url: '/login' })
  await app.inject({ method: 'POST', url: '/logout', headers: { cookie: login.headers['set-cookie'] as string } })
  const after = [...(await scrape(app)).keys()].filter((name) => !before.has(name))
  t.strictSame(after, [])
  t.ok(before.size > 100)
})

t.test('what all plugins do is in the series and in the snapshot', async (t) => {
  const server = await sharedRedis()
  const app = await openAll(t, client(t, server))
  await app.cache.getOrSet('a', () => 1, { tags: ['x'] })
  await app.tags.invalidate('x')
  await app.tags.invalidate('x', { soft: true })
  const lock = await app.locks.acquire('x')
  const waiting = app.locks.acquire('x')
  await pollUntil('a waiter', async () => Object.values(app.metrics.snapshot().locks)[0]?.waiting === 1)
  const during = await scrape(app)
  t.equal(find(during, 'lock_held'), 1)
  t.equal(find(during, 'lock_waiting'), 1)
  await lock.release()
  await (await waiting).release()
  for (let i = 0; i < 3; i++) await app.inject('/limited')
  await app.events.publish('x', 1)
  await app.leaderboards.board('x').increment('ann')
  await app.leaderboards.board('x').top(1)
  const login = await app.inject({ method: 'POST', url: '/login' })
  const cookie = String(login.headers['set-cookie']).split(';')[0] as string
  await app.inject({ method: 'POST', url: '/logout', headers: { cookie } })
  const found = await scrape(app)
  const snapshot = app.metrics.snapshot()
  t.strictSame(snapshot.tags, { hard: 1, soft: 1 })
  t.equal(find(found, 'tag_invalidations_total', 'hard'), 1)
  t.match(Object.values(snapshot.locks), [{ acquired: 2, failed: 0, lost: 0, held: 0, waiting: 0 }])
  t.equal(find(found, 'lock_wait_seconds_count'), 2)
  t.equal(find(found, 'lock_hold_seconds_count'), 2)
  t.strictSame(snapshot.limits, { 'GET /limited': { allowed: 1, limited: 2, banned: 0, errors: 0 } })
  t.equal(find(found, 'ratelimit_decisions_total', 'decision="limited"', 'redis'), 2)
  t.match(Object.values(snapshot.events), [{ sent: 1, failed: 0 }])
  t.match(Object.values(snapshot.leaderboards), [{ calls: 2, unavailable: 0 }])
  t.match(Object.values(snapshot.sessions), [{ live: 1, created: 1, ended: 1 }])
  t.equal(find(found, 'session_ended_total', 'logout'), 1)
  t.equal(snapshot.redis.up, true)
  t.ok(snapshot.redis.commands > 10)
  t.equal(find(found, 'redis_command_duration_seconds_count', 'ok'), snapshot.redis.commands)
  t.equal(find(found, 'redis_up'), 1)
  t.equal(find(found, 'cache_feed_trusted'), 1)
  t.ok((find(found, 'cache_feed_lag_seconds') ?? 9) < 2)
  t.equal(find(found, 'cache_outbox_length'), 0)
  t.equal(find(found, 'cache_memory_entries'), snapshot.caches[Object.keys(snapshot.caches)[0] as string]?.entries)
})

t.test('each request for a page is counted once, by its route and status', async (t) => {
  const app = await openAll(t, false)
  const get = (id: number, headers = {}) => app.inject({ url: `/page/${id}`, headers })
  await Promise.all([get(1), get(1), get(1)])
  await get(2)
  await get(1)
  await get(1, { range: 'bytes=0-0' })
  await get(9, { 'cache-control': 'only-if-cached' })
  await app.responseCache.purge('/page/1', { soft: true })
  await get(1)
  const snapshot = () => app.metrics.snapshot().responses.responses
  await pollUntil('the refresh', async () => snapshot()?.refreshes === 1)
  await get(1)
  await app.responseCache.purgeTags(['x'])
  await app.responseCache.clear()
  await app.inject({ method: 'POST', url: '/login' })
  const { hitMs, missMs, ...counts } = snapshot() ?? {}
  t.strictSame(counts, {
    ...{ hits: 2, stale: 1, misses: 2, revalidated: 0, collapsed: 2, bypass: 1, errors: 1 },
    ...{ requests: 9, hitRate: 3 / 9, refreshes: 1, purges: 4 },
  })
  t.ok((hitMs ?? 0) > 0 && (missMs ?? 0) > 0)
  const found = await scrape(app)
  const of = (status: string) =>
    found.get(`http_cache_requests_total{cache="responses",route="/page/:id",status="${status}"}`)
  t.strictSame(['hit', 'stale', 'miss', 'collapsed'].map(of), [2, 1, 2, 2])
  t.equal(find(found, 'http_cache_request_duration_seconds_count', 'collapsed'), 2)
  t.equal(find(found, 'http_cache_purges_total', 'unsafe'), 1)
})

t.test('Redis going away and coming back shows', async (t) => {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const app = await openAll(t, client(t, server))
  await server.kill()
  await app.tags.invalidate('x')
  await pollUntil('it to be down', async () => app.metrics.snapshot().redis.up === false)
  await app.tags.invalidate('x')
  const away = await scrape(app)
  t.equal(find(away, 'redis_up'), 0)
  t.equal(find(away, 'redis_breaker_changes_total', 'down'), 1)
  t.equal(find(away, 'cache_feed_trusted'), 0)
  t.equal(find(away, 'cache_feed_lag_seconds'), undefined)
  t.ok((find(away, 'cache_outbox_length') ?? 0) >= 1)
  t.ok((find(away, 'feed_distrusts_total') ?? 0) >= 1)
  t.equal(await app.cache.getOrSet('a', () => 1), 1)
  t.equal(find(await scrape(app), 'cache_requests_total', 'bypass'), 1)
  await server.start()
  await pollUntil('it to be back', async () => app.metrics.snapshot().redis.up === true)
  t.equal(find(await scrape(app), 'redis_up'), 1)
})

t.test('several applications of a process count their own, also on one client and namespace', async (t) => {
  const redis = client(t, await sharedRedis())
  const one = await open(t, {}, { redis })
  const other = await open(t, {}, { redis, namespace: one.namespace })
  for (let i = 0; i < 3; i++) await one.app.cache.getOrSet('a', () => 1)
  await other.app.cache.getOrSet('a', () => 1)
  t.equal(one.app.metrics.snapshot().caches[one.namespace]?.requests, 3)
  t.equal(other.app.metrics.snapshot().caches[one.namespace]?.requests, 1)
  t.match(await scrape(other.app), new Map([[`cache_requests_total{cache="${one.namespace}",result="hit"}`, 1]]))
})

t.test('a second registration in one application counts the same under another path', async (t) => {
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(metrics)
  await app.register(metrics, { name: 'second', path: '/more', prefix: 'shop_' })
  await app.register(cacheAside, { redis: false, namespace: 'twice' })
  await app.cache.getOrSet('a', () => 1)
  const name = 'cache_requests_total{cache="twice",result="miss"}'
  t.equal((await scrape(app)).get(name), 1)
  t.equal((await scrape(app, '/more')).get(`shop_${name}`), 1)
  t.equal(app.metrics.second.snapshot().caches.twice?.misses, 1)
})

t.test('a second registration needs a name of its own', async (t) => {
  const app = fastify()
  t.teardown(() => app.close().catch(() => {}))
  await app.register(metrics)
  t.equal(await codeOf(app.register(metrics, { path: false })), 'LARDER_DUPLICATE_NAME')
})

t.test('the series can be put into a registry that has others', async (t) => {
  const registry = new Registry()
  const { app } = await open(t, { registry })
  t.equal(app.metrics.registry, registry)
  t.match(await registry.metrics(), /cache_requests_total/)
  t.equal(await codeOf(open(t, { registry })), 'LARDER_METRICS_REGISTRY')
  t.equal(await codeOf(open(t, { registry, prefix: 'other_' })), undefined)
})

t.test('the number of series does not grow with keys, boards, locks or the names of caches', async (t) => {
  const app = await openAll(t, false)
  const use = async (from: number, to: number) => {
    for (let i = from; i < to; i++) {
      await app.cache.getOrSet(['user', i], () => i)
      await app.locks.using(['user', i], () => {})
      await app.leaderboards.board(['user', i]).increment('ann')
      await app.events.publish(`user ${i}`, i)
      await app.cache.namespace(`tenant-${i}`).getOrSet('a', () => i)
    }
  }
  await use(0, 150)
  const { size } = await scrape(app)
  await use(150, 500)
  t.equal((await scrape(app)).size, size)
  // The cache itself and that of whole responses are the first two of a hundred.
  t.equal(find(await scrape(app), 'cache_requests_total', 'cache="other"', 'miss'), 500 - 98)
})

t.test('the route can be guarded, moved, or left out', async (t) => {
  const guard = async (request: { headers: { authorization?: string | undefined } }) => {
    if (request.headers.authorization !== 'Bearer secret')
      throw Object.assign(new Error('who are you?'), { statusCode: 401 })
  }
  const { app } = await open(t, { onRequest: guard })
  t.equal((await app.inject('/metrics')).statusCode, 401)
  const answer = await app.inject({ url: '/metrics', headers: { authorization: 'Bearer secret' } })
  t.equal(answer.statusCode, 200)
  t.match(answer.headers, { 'content-type': /^text\/plain; version=0.0.4/, 'cache-control': 'no-store' })
  const moved = await open(t, { path: '/internal/metrics' })
  t.equal((await moved.app.inject('/internal/metrics')).statusCode, 200)
  t.equal((await moved.app.inject('/metrics')).statusCode, 404)
  const none = await open(t, { path: false })
  t.equal((await none.app.inject('/metrics')).statusCode, 404)
  t.match(await none.app.metrics.text(), /cache_requests_total/)
})

t.test('options are checked at registration', async (t) => {
  const bad: [object, RegExp][] = [
    [{ path: 'metrics' }, /`path` to be a path or `false`/],
    [{ report: 0 }, /`report`/],
    [{ warnBelow: 80 }, /`warnBelow` to be a number from 0 to 1/],
    [{ prefix: '1-' }, /`prefix`/],
    [{ registry: {} }, /`registry` to be a Registry of prom-client/],
    [{ onRequest: 'auth' }, /`onRequest`/],
    [{ opentelemetry: { meter: 1 } }, /`opentelemetry.meter`/],
    [{ opentelemetry: { traces: 1 } }, /Unknown option `opentelemetry.traces`/],
    [{ labels: [] }, /Unknown option `labels`/],
  ]
  for (const [options, message] of bad) await t.rejects(open(t, options), { code: 'LARDER_INVALID_OPTION', message })
})

t.test('a closed application counts nothing more', async (t) => {
  const { app, namespace } = await open(t)
  await app.close()
  await app.cache.getOrSet('a', () => 1).catch(() => {})
  t.equal(app.metrics.snapshot().caches[namespace]?.requests, 0)
})

function find(found: Map<string, number>, name: string, ...labels: string[]): number | undefined {
  const matches = [...found].filter(
    ([key]) => (key === name || key.startsWith(`${name}{`)) && labels.every((label) => key.includes(label)),
  )
  return matches.length === 0 ? undefined : matches.reduce((sum, [, value]) => sum + value, 0)
}
