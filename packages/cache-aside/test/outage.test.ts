import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import cacheAside, { type CacheAsideOptions, type Entry } from '@larder/cache-aside'
import {
  freePort,
  pollUntil,
  type RedisServer,
  startCluster,
  startProxy,
  startRedis,
  startSentinel,
  uniqueNamespace,
} from '@larder/test-redis'
import fastify from 'fastify'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { client, counter, Gate, joined, type Opened, open } from './setup.js'

const DEADLINE = 200
const LOADER = 20
/** What a read may take beyond its bound: 50 ms, and what this machine was late by with everything, at its worst moment. */
const slack = (): number => 50 + Math.max(2 * lateness.percentile(99), lateness.max) / 1e6
const lateness = monitorEventLoopDelay({ resolution: 5 })
lateness.enable()
const READS = 250
const EVERY = 20

const rejections: unknown[] = []
process.on('unhandledRejection', (reason) => rejections.push(reason))

const load = (): Promise<string> => sleep(LOADER, 'value')

/** One read, beside its loader alone and the loader after the deadline: what those take on a machine as busy as this. */
interface Read {
  readonly at: number
  readonly end: number
  /** What it took more than its loader. */
  readonly extra: number
  /** What it took more than the deadline and its loader. */
  readonly late: number
  readonly entry: Entry<string>
}

async function read(cache: Opened['cache'], key: string): Promise<Read> {
  const at = performance.now()
  const took = async <T>(promise: Promise<T>): Promise<[number, T]> => {
    const value = await promise
    return [performance.now() - at, value]
  }
  const [[cached, entry], [loader], [latest]] = await Promise.all([
    took(cache.entry(key, load)),
    took(load()),
    took(sleep(DEADLINE).then(load)),
  ])
  return { at, end: at + cached, extra: cached - loader, late: cached - latest, entry }
}

/** Fifty reads a second for five seconds. */
async function readsOf({ cache }: Opened, prefix: string): Promise<Read[]> {
  const reads: Promise<Read>[] = []
  const started = performance.now()
  for (let i = 0; i < READS; i++) {
    reads.push(read(cache, `${prefix} ${i % 60}`))
    await sleep(Math.max(0, started + (i + 1) * EVERY - performance.now()))
  }
  return Promise.all(reads)
}

function p99(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b)
  return Math.round(sorted[Math.floor(sorted.length * 0.99)] ?? 0)
}

/** Resolves when Redis is used (again). */
async function used(cache: Opened['cache']): Promise<void> {
  await pollUntil('Redis to be used', async () => (await cache.entry('used', load)).state === 'hit')
}

let awaited = 5
let begin = (): void => {}
const begun = new Promise<void>((resolve) => {
  begin = resolve
})

/** Resolves when all the servers of the five tests run: to start them takes time from those that measure it. */
function allReady(): Promise<void> {
  if (--awaited === 0) begin()
  return begun
}

/** G7, while something is wrong with Redis; `mend` ends it. */
async function endures(t: Test, opened: Opened, fault: () => Promise<void>, mend: () => Promise<void>): Promise<void> {
  const { cache } = opened
  await used(cache)
  for (let i = 0; i < 60; i++) await cache.set(`key ${i}`, 'value')
  await allReady()
  await fault()
  const reads = await readsOf(opened, 'key')
  t.equal(reads.length, READS, 'none is unanswered')
  t.ok(reads.every(({ entry }) => entry.value === 'value'))
  // The first ones find out, the others know.
  const known = Math.min(...reads.filter(({ entry }) => entry.state === 'bypass').map(({ end }) => end))
  const first = reads.filter(({ at }) => at < known)
  const rest = reads.filter(({ at }) => at >= known)
  const late = p99(first.map((one) => one.late))
  t.ok(
    late <= slack(),
    `the first cost ${late} ms more than the deadline and their loader, on a machine late by ${Math.round(slack())} ms`,
  )
  const extra = p99(rest.map((one) => one.extra))
  t.ok(extra <= slack(), `the others cost ${extra} ms more than their loader`)
  const bypassed = rest.filter(({ entry }) => entry.state === 'bypass').length
  t.ok(bypassed >= 0.9 * rest.length, `${bypassed} of ${rest.length} went past Redis`)
  await mend()
  const mended = performance.now()
  await used(cache)
  const took = performance.now() - mended
  t.ok(took < 1_000 + slack(), `back after ${Math.round(took)} ms`)
}

t.test('with Redis', { jobs: 5 }, async (t) => {
  const own = async (t: Test, options?: CacheAsideOptions): Promise<[RedisServer, Opened]> => {
    const server = await startRedis()
    t.teardown(() => server.stop())
    const opened = await open(t, { redis: client(t, server), deadline: DEADLINE, memory: false, ...options })
    return [server, opened]
  }

  t.test('paused, a read costs the deadline at most, then its loader alone (G7)', async (t) => {
    const [server, opened] = await own(t)
    await endures(
      t,
      opened,
      () => server.pause(),
      async () => server.resume(),
    )
  })

  t.test('killed, a read costs the deadline at most, then its loader alone (G7)', async (t) => {
    const [server, opened] = await own(t)
    await endures(
      t,
      opened,
      () => server.kill(),
      () => server.start(),
    )
  })

  t.test('300 ms slow, a read costs the deadline at most, then its loader alone (G7)', async (t) => {
    const server = await startRedis()
    const proxy = await startProxy(server)
    t.teardown(async () => {
      await proxy.stop()
      await server.stop()
    })
    const redis = new Redis(proxy.url)
    redis.on('error', () => {})
    t.teardown(() => redis.disconnect())
    const opened = await open(t, { redis, deadline: DEADLINE, memory: false })
    await endures(
      t,
      opened,
      async () => proxy.delay(300),
      async () => proxy.delay(0),
    )
  })

  t.test('behind a network that swallows everything, a read costs the deadline at most (G7)', async (t) => {
    const server = await startRedis()
    const proxy = await startProxy(server)
    t.teardown(async () => {
      await proxy.stop()
      await server.stop()
    })
    const redis = new Redis(proxy.url)
    redis.on('error', () => {})
    t.teardown(() => redis.disconnect())
    const opened = await open(t, { redis, deadline: DEADLINE, memory: false })
    await endures(
      t,
      opened,
      async () => proxy.drop(),
      () => proxy.restore(),
    )
  })

  t.test('on Cluster with one node paused, a read costs the deadline at most (G7, G9)', async (t) => {
    const cluster = await startCluster()
    t.teardown(() => cluster.stop())
    const opened = await open(t, { redis: cluster.client(), deadline: DEADLINE, memory: false })
    const [node] = cluster.nodes
    await endures(
      t,
      opened,
      async () => node?.pause(),
      async () => {
        node?.resume()
        await cluster.ready()
      },
    )
  })

  t.test('slow within its deadline, a read still costs one deadline at most (G7)', async (t) => {
    const server = await startRedis()
    const proxy = await startProxy(server)
    t.teardown(async () => {
      await proxy.stop()
      await server.stop()
    })
    const redis = new Redis(proxy.url)
    redis.on('error', () => {})
    t.teardown(() => redis.disconnect())
    const opened = await open(t, { redis, deadline: DEADLINE, memory: false })
    await used(opened.cache)
    proxy.delay(0.75 * DEADLINE)
    const reads = await Promise.all(Array.from({ length: 20 }, (_, i) => read(opened.cache, `key ${i}`)))
    const late = Math.round(Math.max(...reads.map((one) => one.late)))
    t.ok(late <= slack(), `the slowest took ${late} ms more than the deadline and its loader`)
  })

  t.test('restarted empty, reads go on, nothing old comes back, and Redis is used again (G7)', async (t) => {
    const [server, opened] = await own(t, { memory: {} })
    const { cache } = opened
    await cache.set('key', 'old', { tags: ['tag'] })
    const gate = new Gate<string>()
    const running = cache.getOrSet('running', gate.load)
    await gate.begun()
    const reading = readsOf(opened, 'key')
    await server.restart()
    const began = performance.now()
    await used(cache)
    t.ok(performance.now() - began < 1_000 + slack())
    gate.open('loaded before the restart')
    t.equal(await running, 'loaded before the restart')
    t.equal(await cache.get('running'), undefined, 'its lease is gone, so it is not stored')
    await pollUntil('the old entry to be gone', async () => !(await cache.has('key')))
    const reads = await reading
    t.equal(reads.length, READS)
    const late = Math.round(Math.max(...reads.map((one) => one.late)))
    t.ok(late <= slack(), `the slowest took ${late} ms more than the deadline and its loader`)
  })

  t.test('paused, writes resolve, hold in this process at once, and elsewhere when it is back (G8)', async (t) => {
    const [server, opened] = await own(t, { memory: {} })
    const { cache, namespace } = opened
    const other = await open(t, { redis: client(t, server), namespace, deadline: DEADLINE })
    const child = cache.namespace('cleared')
    await child.set('key', 'old', { staleIfError: '1h' })
    for (const key of ['deleted', 'set', 'written', 'expired', 'cleared:key', 'pattern']) {
      if (key !== 'cleared:key') await cache.set(key, 'old', { staleIfError: '1h' })
      await pollUntil('copies', async () => {
        await Promise.all([cache.get(key), other.cache.get(key)])
        return cache.peek(key) === 'old' && other.cache.peek(key) === 'old'
      })
    }
    await server.pause()
    let busy = 0
    const started = performance.now()
    await Promise.all([
      cache.delete('deleted').then(() => {
        const took = Math.round(performance.now() - started)
        t.ok(took < DEADLINE + busy + slack(), `the first one waits for the deadline: ${took} ms`)
      }),
      sleep(DEADLINE).then(() => {
        busy = performance.now() - started - DEADLINE
      }),
    ])
    const later = performance.now()
    await cache.set('set', 'new')
    t.equal(await cache.writeThrough('written', () => 'new'), 'new')
    await cache.expire('expired')
    await child.clear()
    t.equal(await cache.deletePattern('patt*'), 0, 'how many is not known')
    t.ok(performance.now() - later < slack(), `the others for nothing: ${Math.round(performance.now() - later)} ms`)
    const fresh = counter('loaded')
    for (const key of ['deleted', 'set', 'written', 'cleared:key', 'pattern']) {
      t.equal(cache.peek(key), undefined)
      t.equal(await cache.getOrSet(key, fresh), 'loaded', `${key} is not served any more`)
    }
    server.resume()
    for (const key of ['deleted', 'set', 'written', 'pattern']) {
      await pollUntil(`${key} to be gone elsewhere`, async () => (await other.cache.get(key)) !== 'old')
    }
    await pollUntil('the child', async () => (await other.cache.namespace('cleared').get('key')) !== 'old')
    await pollUntil('the expired one', async () => (await other.cache.entry('expired')).state !== 'hit')
    await used(cache)
    t.equal(await cache.get('deleted'), undefined)
  })

  t.test(
    'away, staleIfError serves the copies of this process, marked stale; without it the loader answers',
    async (t) => {
      const [server, { cache }] = await own(t, { memory: {}, feed: { heartbeat: 300 } })
      await cache.set('kept', 'copy', { staleIfError: '1h' })
      await cache.set('not kept', 'copy')
      await cache.set('invalidated', 'copy', { staleIfError: '1h' })
      const keys = ['kept', 'not kept', 'invalidated']
      await pollUntil('copies', async () => {
        await cache.getMany(keys)
        return keys.every((key) => cache.peek(key) === 'copy')
      })
      await server.kill()
      const fresh = counter('loaded')
      await cache.delete('invalidated')
      await pollUntil(
        'copies to be trusted no longer',
        async () => (await cache.entry('not kept', fresh)).state === 'bypass',
      )
      const entry = await cache.entry('kept', fresh)
      t.equal(entry.value, 'copy')
      t.equal(entry.state, 'stale')
      t.equal(await cache.getOrSet('kept', fresh), 'copy')
      t.equal(await cache.get('kept'), 'copy')
      t.strictSame(await cache.getMany(['kept', 'other'], () => ['loaded']), ['copy', 'loaded'])
      t.equal(await cache.getOrSet('kept', () => 'forced', { force: true }), 'forced')
      t.equal(await cache.getOrSet('invalidated', fresh), 'loaded', 'what was deleted is not served')
    },
  )

  t.test('away, concurrent callers still share one load, and getMany one batch', async (t) => {
    const [server, { cache }] = await own(t)
    await server.kill()
    await pollUntil('it to be noticed', async () => (await cache.entry('key', load)).state === 'bypass')
    const gate = new Gate<string>()
    const answers = Array.from({ length: 50 }, () => cache.entry('shared', gate.load))
    await gate.begun()
    gate.open('value')
    for (const { value } of await Promise.all(answers)) t.equal(value, 'value')
    t.equal(gate.calls, 1)
    let batches = 0
    const keys = Array.from({ length: 30 }, (_, i) => `many ${i}`)
    const many = await cache.getMany(keys, (missing) => {
      batches++
      return missing
    })
    t.strictSame(many, keys)
    t.equal(batches, 1)
    const error = new Error('no database')
    await t.rejects(
      cache.getOrSet('failing', () => Promise.reject(error)),
      error,
    )
    t.equal(await cache.get('key'), undefined)
    t.equal(await cache.has('key'), false)
    t.strictSame(await cache.getMany(['key']), [undefined])
  })

  t.test('hung while a process waits for the load of another one, the deadline holds for it too (G7)', async (t) => {
    const [server, one] = await own(t, { memory: {} })
    const two = await open(t, { redis: client(t, server), namespace: one.namespace, deadline: DEADLINE })
    const gate = new Gate<string>()
    const loading = one.cache.getOrSet('key', gate.load)
    await gate.begun()
    const waiting = read(two.cache, 'key')
    await joined(two.cache, 'key')
    await server.pause()
    const { late, entry } = await waiting
    t.equal(entry.value, 'value')
    // It asks whether Redis is there after one deadline, and gives it another.
    t.ok(late < DEADLINE + slack(), `it took ${Math.round(late)} ms more than the deadline and its loader`)
    gate.open('late')
    t.equal(await loading, 'late')
    server.resume()
  })

  t.test('a load whose store failed gives its lease up', async (t) => {
    const lease = 200
    const [server, one] = await own(t, { memory: {}, lease })
    const two = await open(t, { redis: client(t, server), namespace: one.namespace, lease, deadline: DEADLINE })
    const gate = new Gate<string>()
    // The tag is told by the value, so Redis must be asked for it after the load.
    const loading = one.cache.getOrSet('key', gate.load, { tags: () => ['tag'] })
    await gate.begun()
    await server.pause()
    gate.open('value')
    t.equal(await loading, 'value')
    server.resume()
    await used(two.cache)
    const started = performance.now()
    const answer = await two.cache.getOrSet('key', () => 'loaded by the other')
    t.ok(['loaded by the other', 'value'].includes(answer), 'it may have been stored when Redis was back')
    const took = Math.round(performance.now() - started)
    t.ok(took < 3 * lease + slack(), `it was waited for ${took} ms`)
  })

  t.test('dead at the start, the application boots within the deadline, and uses it when it comes', async (t) => {
    const port = await freePort()
    const redis = new Redis({ port, host: '127.0.0.1' })
    redis.on('error', () => {})
    t.teardown(() => redis.disconnect())
    const started = performance.now()
    const { cache } = await open(t, { redis, deadline: DEADLINE, memory: false })
    t.ok(performance.now() - started < DEADLINE + 300, 'booting does not wait for Redis')
    const patient = new Redis({ port, host: '127.0.0.1' })
    patient.on('error', () => {})
    t.teardown(() => patient.disconnect())
    await open(t, { redis: patient, deadline: '1h' })
    t.ok(performance.now() - started < 5_000, 'whatever a command may take')
    const { extra, entry } = await read(cache, 'key')
    t.equal(entry.state, 'bypass')
    t.ok(extra < slack())
    const server = await startRedis({ port })
    t.teardown(() => server.stop())
    const up = performance.now()
    await used(cache)
    t.ok(performance.now() - up < 1_000 + slack(), `used after ${Math.round(performance.now() - up)} ms`)
  })

  t.test('dead at the start, a lazy client that is decorated as fastify.redis boots as well', async (t) => {
    const app = fastify()
    const redis = new Redis({ port: await freePort(), host: '127.0.0.1', lazyConnect: true })
    redis.on('error', () => {})
    t.teardown(async () => {
      await app.close()
      redis.disconnect()
    })
    app.decorate('redis', redis as never)
    const started = performance.now()
    await app.register(cacheAside, { deadline: DEADLINE, namespace: uniqueNamespace() })
    await app.ready()
    t.ok(performance.now() - started < DEADLINE + 300, 'booting does not wait for Redis')
    t.equal(await app.cache.getOrSet('key', load), 'value')
  })

  t.test('full or read-only, nothing fails, and what could not be deleted is not served', async (t) => {
    const [server, { cache }] = await own(t, { memory: {} })
    await cache.set('key', 'old')
    await pollUntil('a copy', async () => (await cache.get('key')) === cache.peek('key'))
    await server.cli('CONFIG', 'SET', 'maxmemory', '1')
    t.equal(await cache.getOrSet('full', () => 'loaded'), 'loaded')
    await cache.set('key', 'new')
    t.not(await cache.get('key'), 'old')
    await server.cli('CONFIG', 'SET', 'maxmemory', '0')
    await server.cli('REPLICAOF', '127.0.0.1', String(await freePort()))
    t.equal(await cache.getOrSet('read-only', () => 'loaded'), 'loaded')
    await cache.delete('key')
    t.equal(await cache.get('key'), undefined)
    await cache.clear()
    await server.cli('REPLICAOF', 'NO', 'ONE')
    await used(cache)
    t.equal(await cache.get('key'), undefined)
  })

  t.test('failing over by Sentinel, reads go on, and what was deleted stays deleted (G9)', async (t) => {
    const group = await startSentinel()
    t.teardown(() => group.stop())
    const lease = 400
    const opened = await open(t, { redis: group.client(), deadline: DEADLINE, lease })
    const { cache, namespace } = opened
    await cache.set('deleted', 'old')
    await pollUntil('the replica to have it', async () => {
      return (await group.replica.cli('EXISTS', `${namespace}:v:{deleted}`)) === 1
    })
    // Acknowledged by the primary and lost with it: the replica does not hear of it.
    await group.replica.pause()
    await cache.delete('deleted')
    const reading = readsOf(opened, 'key')
    const next = group.nextPrimary(async () => {
      await group.primary.kill()
      group.replica.resume()
    })
    const reads = await reading
    t.equal(reads.length, READS, 'none is unanswered')
    const late = Math.round(Math.max(...reads.map((one) => one.late)))
    // A lease that the new primary has and the old one granted too late is waited for.
    t.ok(late <= lease + slack(), `the slowest took ${late} ms more than the deadline and its loader`)
    await next
    await used(cache)
    t.equal(await cache.get('deleted'), undefined)
  })
})

t.test('nothing was left unhandled in all of this', async (t) => {
  t.strictSame(rejections, [])
})
