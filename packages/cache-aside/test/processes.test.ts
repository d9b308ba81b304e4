import { pollUntil, sharedRedis, startCluster, startWorker, uniqueNamespace, type Worker } from '@larder/test-redis'
import t, { type Test } from 'tap'
import { codeOf, open, patientCluster } from './setup.js'
import type { Methods, Setup } from './workers/cache.js'

const FILE = new URL('./workers/cache.js', import.meta.url)

async function start(t: Test, setup: Setup, count: number): Promise<Worker<Methods>[]> {
  const env = { SETUP: JSON.stringify(setup) }
  const workers = await Promise.all(Array.from({ length: count }, () => startWorker<Methods>(FILE, { env })))
  t.teardown(() => Promise.all(workers.map((worker) => worker.stop())))
  return workers
}

const [server, cluster] = await Promise.all([sharedRedis(), patientCluster()])
const SITES: [name: string, where: Omit<Setup, 'options'>][] = [
  ['on one Redis', { port: server.port }],
  ['on Cluster', { port: cluster.nodes[0]?.port as number, cluster: true }],
]

for (const [name, where] of SITES) {
  t.test(name, async (t) => {
    const options = { namespace: uniqueNamespace(), lease: 1_000, deadline: '20s' }
    const workers = await start(t, { ...where, options }, 4)
    const [one, two, three] = workers as [Worker<Methods>, Worker<Methods>, Worker<Methods>]

    await t.test('four processes with 200 callers each on a cold key load it once (G2)', async (t) => {
      for (let round = 0; round < 3; round++) {
        const answers = await Promise.all(workers.map((worker) => worker.call('stampede', `key ${round}`, 200, 50)))
        t.equal(new Set(answers.flatMap(({ values }) => values)).size, 1, 'all got the same value')
        const loads = answers.reduce((sum, answer) => sum + answer.loads, 0)
        t.equal(loads, round + 1, 'loaded once')
      }
    })

    await t.test(
      'two processes with crossed keys in getMany load each key once, and do not wait for each other (G2)',
      async (t) => {
        const keys = Array.from({ length: 40 }, (_, i) => `crossed ${i}`)
        const answers = await Promise.all([one.call('many', keys, 50), two.call('many', [...keys].reverse(), 50)])
        t.strictSame(answers[0].values, keys)
        t.strictSame(answers[1].values, [...keys].reverse())
        t.strictSame([...answers[0].loaded, ...answers[1].loaded].sort(), [...keys].sort())
      },
    )

    await t.test('a change of one process is seen by all others within a moment (G1)', async (t) => {
      await one.call('set', 'shared', 1)
      for (const worker of workers) await pollUntil('it', async () => (await worker.call('get', 'shared')) === 1)
      await two.call('set', 'shared', 2)
      for (const worker of workers) await pollUntil('it', async () => (await worker.call('get', 'shared')) === 2)
      await three.call('delete', 'shared')
      for (const worker of workers) {
        await pollUntil('nothing', async () => (await worker.call('get', 'shared')) === undefined)
      }
      t.pass('seen by all four')
    })

    await t.test(
      'a delete by one process during a load of another: the old value is stored nowhere (G1)',
      async (t) => {
        const hanging = one.call('hang', 'deleted')
        await one.next('loading')
        await two.call('delete', 'deleted')
        t.equal(await two.call('load', 'deleted', 'new'), 'new')
        await one.call('release')
        t.equal(await hanging, `loaded by ${one.pid}`)
        for (const worker of workers) t.equal(await worker.call('get', 'deleted'), 'new')
      },
    )

    await t.test('a process that stalls beyond its lease overwrites nothing when it wakes up', async (t) => {
      const hanging = one.call('hang', 'stalled')
      await one.next('loading')
      await one.pause()
      t.equal(await two.call('load', 'stalled', 'new'), 'new', 'another one loads after the lease')
      one.resume()
      await one.call('release')
      t.equal(await hanging, `loaded by ${one.pid}`)
      t.equal(await two.call('get', 'stalled'), 'new')
      await pollUntil('it to see the new value', async () => (await one.call('get', 'stalled')) === 'new')
    })

    await t.test('when a loader’s process is killed the next one loads after its lease (G2)', async (t) => {
      const hanging = codeOf(one.call('hang', 'killed'))
      await one.next('loading')
      const writing = codeOf(three.call('write', 'written'))
      await three.next('writing')
      const started = performance.now()
      const [loaded, read] = [two.call('load', 'killed', 'new'), two.call('load', 'written', 'new')]
      await Promise.all([one.kill(), three.kill()])
      t.equal(await loaded, 'new')
      t.equal(await read, 'new', 'and of a writer’s the next one reads the database')
      const took = performance.now() - started
      t.ok(took < 3_000, `the lease is a second: ${took} ms`)
      await Promise.all([hanging, writing])
    })
  })
}

t.test('on a Cluster whose slots are moved meanwhile nothing stale is served, and nothing fails (G9)', async (t) => {
  const own = await startCluster()
  t.teardown(() => own.stop())
  const redis = own.client()
  t.teardown(() => redis.disconnect())
  const namespace = uniqueNamespace()
  const [one, two] = await Promise.all([
    open(t, { redis, namespace, deadline: '20s' }),
    open(t, { redis: own.client(), namespace, deadline: '20s' }),
  ])
  const [from, to] = own.nodes
  if (!from || !to) throw new Error('A Cluster has three nodes')
  const keys = Array.from({ length: 300 }, (_, i) => `key ${i}`)
  const versions = new Map(keys.map((key) => [key, 0]))
  const load = (missing: unknown[]): number[] => missing.map((key) => versions.get(key as string) as number)
  await one.cache.getMany(keys, load)
  const slots = await Promise.all(keys.slice(0, 30).map((key) => own.slotOf(`${namespace}:v:{${key}}`)))
  const first: number[] = []
  for (const slot of new Set(slots)) {
    const node = await own.nodeOf(`${namespace}:v:{${keys[slots.indexOf(slot)]}}`)
    if (node === from) first.push(slot)
  }
  let done = false
  const moving = own.reshard({ from, to, slots: first }).finally(() => {
    done = true
  })
  let rounds = 0
  while (!done || rounds < 3) {
    rounds++
    for (const key of keys.slice(0, 30)) {
      versions.set(key, (versions.get(key) as number) + 1)
      if (rounds % 2 === 0) await one.cache.delete(key)
      else await one.cache.set(key, versions.get(key))
    }
    t.strictSame(await one.cache.getMany(keys, load), load(keys), 'its own process sees its changes at once')
  }
  await moving
  await pollUntil('the other process to see the last of them', async () => {
    const values = await two.cache.getMany(keys, load)
    return values.join() === load(keys).join()
  })
  t.ok(first.length > 0, `${first.length} slots were moved, in ${rounds} rounds of changes`)
})
