import { setTimeout as sleep } from 'node:timers/promises'
import { pollUntil, serveWorker, startCluster, startRedis, startSentinel, uniqueNamespace } from '@larder/test-redis'
import { client, type Opened, open, type T } from '../setup.js'
import { storm, type Weather } from '../storm.js'

// Storms in a process of their own: tap follows every promise, which makes them ten times as slow.

const HEARTBEAT = '500ms'
/** In milliseconds. */
const HOUR = 3_600_000

/** Helper keys are deleted at random under load. */
async function evictions(t: T, reads: number): Promise<Weather> {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const namespace = uniqueNamespace()
  const one = (): Promise<Opened> => open(t, { redis: client(t, server), namespace, deadline: '20s' })
  const processes = await Promise.all([one(), one(), one()])
  const foreign = client(t, server)
  const key = (name: string): string => `{${namespace}}:${name}`
  return storm({
    processes,
    reads,
    disturb: async (round) => {
      const tags = await foreign.keys(key('t:*'))
      const victim = tags[round % Math.max(tags.length, 1)]
      if (victim) await foreign.del(victim)
      if (round % 3 === 0) await foreign.del(key('clock'))
      if (round % 10 === 0) await foreign.del(key('t::'))
      await sleep(3)
    },
  })
}

/** The clock of the namespace is ahead of the server's under load, as after a failover to one whose clock is behind, and is then lost. */
async function clockAhead(t: T, reads: number): Promise<Weather> {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const namespace = uniqueNamespace()
  const one = (): Promise<Opened> => open(t, { redis: client(t, server), namespace, deadline: '20s' })
  const processes = await Promise.all([one(), one()])
  const foreign = client(t, server)
  return storm({
    processes,
    reads,
    disturb: async (round) => {
      if (round % 20 === 0) await foreign.incrby(`{${namespace}}:clock`, HOUR * 1000)
      // Only what the processes have seen holds it up from now on.
      if (round % 20 === 10) await foreign.del(`{${namespace}}:clock`)
      await sleep(3)
    },
  })
}

/** The server's own clock is set back by an hour under load, and forward again. */
async function clockSetBack(t: T, reads: number): Promise<Weather> {
  const server = await startRedis({ ownClock: true })
  t.teardown(() => server.stop())
  const namespace = uniqueNamespace()
  const one = (): Promise<Opened> => open(t, { redis: client(t, server), namespace, deadline: '20s' })
  const processes = await Promise.all([one(), one()])
  const foreign = client(t, server)
  return storm({
    processes,
    reads,
    disturb: async (round) => {
      await server.setClock(round % 2 === 0 ? -HOUR : 0)
      // Every third time the namespace's clock is lost as well, before or after the server's went back.
      if (round % 3 === 0) await foreign.del(`{${namespace}}:clock`)
      await sleep(40)
    },
  })
}

/** Redis is killed and comes back empty under load. */
async function restarts(t: T, reads: number): Promise<Weather> {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const namespace = uniqueNamespace()
  const one = (): Promise<Opened> => open(t, { redis: client(t, server), namespace, feed: { heartbeat: HEARTBEAT } })
  const processes = await Promise.all([one(), one()])
  return storm({
    processes,
    reads,
    disturb: async () => {
      await sleep(150)
      await server.kill()
      await sleep(50)
      await server.start()
      await sleep(100)
    },
  })
}

/** Sentinel fails over while tags are invalidated. */
async function failovers(t: T, reads: number): Promise<Weather> {
  const group = await startSentinel()
  t.teardown(() => group.stop())
  const namespace = uniqueNamespace()
  const one = (): Promise<Opened> => open(t, { redis: group.client(), namespace, feed: { heartbeat: HEARTBEAT } })
  const processes = await Promise.all([one(), one()])
  return storm({
    processes,
    reads,
    disturb: async (round) => {
      await sleep(200)
      if (round < 1 || (round < 3 && reads > 50_000)) await group.failover()
      await sleep(300)
    },
  })
}

/** Slots are moved under load, also that of the tags. */
async function movedSlots(t: T, reads: number): Promise<Weather> {
  const cluster = await startCluster()
  t.teardown(() => cluster.stop())
  const namespace = uniqueNamespace()
  const one = (): Promise<Opened> => open(t, { redis: cluster.client(), namespace, deadline: '20s' })
  const processes = await Promise.all([one(), one()])
  const tagSlot = await cluster.slotOf(`{${namespace}}:clock`)
  return storm({
    processes,
    reads,
    disturb: async (round) => {
      const from = await cluster.nodeOf(`{${namespace}}:clock`)
      const to = cluster.nodes.find((node) => node !== from)
      const source = cluster.nodes[round % 3]
      const target = cluster.nodes[(round + 1) % 3]
      if (!to || !source || !target) throw new Error('A Cluster has three nodes')
      await cluster.reshard({ from, to, slots: [tagSlot] })
      await cluster.reshard({ from: source, to: target, slots: 40 })
    },
  })
}

/** When Redis is back after a kill the first hit comes within 500 ms. */
async function firstHits(t: T): Promise<number[]> {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const { cache } = await open(t, { redis: client(t, server), memory: false })
  const times: number[] = []
  for (let round = 0; round < 3; round++) {
    await server.kill()
    // Long enough for the client to wait for seconds before it tries again.
    await sleep(1_000)
    await cache.getOrSet('key', () => 1)
    await server.start()
    const started = performance.now()
    await pollUntil('a hit', async () => (await cache.entry('key', () => round)).state === 'hit')
    times.push(performance.now() - started)
  }
  return times
}

/** Ends what was opened, the last one first. */
async function during<R>(run: (t: T) => Promise<R>): Promise<R> {
  const ends: (() => unknown)[] = []
  try {
    return await run({ teardown: (end: () => unknown) => void ends.push(end) } as T)
  } finally {
    for (const end of ends.reverse()) await end()
  }
}

const methods = {
  evictions: (reads: number) => during((t) => evictions(t, reads)),
  clockAhead: (reads: number) => during((t) => clockAhead(t, reads)),
  clockSetBack: (reads: number) => during((t) => clockSetBack(t, reads)),
  restarts: (reads: number) => during((t) => restarts(t, reads)),
  failovers: (reads: number) => during((t) => failovers(t, reads)),
  movedSlots: (reads: number) => during((t) => movedSlots(t, reads)),
  firstHits: () => during((t) => firstHits(t)),
}

/** What the test calls. */
export type Methods = typeof methods

serveWorker(methods)
