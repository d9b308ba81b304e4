import { startRedis, startWorker, type Worker } from '@larder/test-redis'
import t, { type Test } from 'tap'
import type { Checked } from './models/explore.js'
import type { LeaseSize } from './models/lease-model.js'
import type { LeaseMutant } from './models/lease-mutants.js'
import type { TagSize } from './models/tag-model.js'
import type { Methods } from './workers/models.js'

const NIGHTLY = Boolean(process.env.LARDER_NIGHTLY)
/** Every state where there is time; in between as many as show each broken variant many times over. */
const LIMIT = NIGHTLY ? Number.POSITIVE_INFINITY : 2_500

// What lasts for minutes at night is no reason to give up.
if (NIGHTLY) t.setTimeout(0)

/** A process that checks models, on a server of its own. */
async function checker(t: Test): Promise<Worker<Methods>> {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const worker = await startWorker<Methods>(new URL('./workers/models.js', import.meta.url), {
    env: { REDIS_PORT: String(server.port) },
  })
  t.teardown(() => worker.stop())
  return worker
}

function holds(t: Test, { states, whole, violation, trace }: Checked): void {
  if (violation) t.fail(violation, { trace })
  else t.pass()
  t.comment(`${states} states, ${whole ? 'all there are' : 'of more'}`)
}

function breaks(t: Test, { states, violation, trace }: Checked): void {
  t.ok(violation, 'the broken variant is found out')
  t.comment(`found in ${states} states: ${violation}: ${trace?.join(', ')}`)
}

const LEASES: readonly [name: string, size: LeaseSize][] = [
  ['loads, deletions, foreign ones, a write, an eviction', {}],
  ['two writes', { writers: 2, foreign: 0 }],
  ['two writes and a foreign deletion', { writers: 2, removers: 0, evictions: 0 }],
  ['three loaders', { loaders: 3, removers: 0 }],
  ['expiries', { expirers: 2, foreign: 0, writers: 0 }],
]

const LEASES_IN_MEMORY: readonly [name: string, size: LeaseSize][] = [
  ['loads, deletions and writes', { foreign: 0, evictions: 0, removers: 2, writers: 2 }],
  ['three loaders, a write, expiries', { loaders: 3, foreign: 0, evictions: 0, expirers: 2 }],
]

t.test('G1, G2, G4: in no order does the slot of one key hold what does not count any more', async (t) => {
  const worker = await checker(t)
  for (const [name, size] of LEASES)
    await t.test(`on Redis: ${name}`, async (t) => holds(t, await worker.call('leaseOnRedis', size, LIMIT)))
  for (const [name, size] of LEASES_IN_MEMORY)
    await t.test(`in memory: ${name}`, async (t) => holds(t, await worker.call('leaseInMemory', size, 5 * LIMIT)))
})

const LEASE_MUTANTS: readonly [mutant: LeaseMutant, size: LeaseSize][] = [
  ['lease of an absent key beside it', { writers: 0, evictions: 0 }],
  ['refresh that does not look at the entry again', { writers: 0, evictions: 0, removers: 0 }],
  ['refresh that does not look at its lease', { writers: 0, foreign: 0, evictions: 0, expirers: 1 }],
  ['commit that leaves the entry', { writers: 2, foreign: 0, removers: 0, evictions: 0 }],
  ['store that does not look at its placeholder', { writers: 0, foreign: 0, evictions: 0 }],
  ['commit that does not look at its ticket', { writers: 2, foreign: 0, removers: 0, evictions: 0 }],
]

t.test('G1, G2, G4: each check of the scripts of one key is needed', async (t) => {
  const worker = await checker(t)
  for (const [mutant, size] of LEASE_MUTANTS)
    await t.test(`without it: ${mutant}`, async (t) =>
      breaks(t, await worker.call('leaseOnRedis', size, 60_000, mutant)),
    )
})

const TAGS: readonly [name: string, size: TagSize][] = [
  ['no eviction, tags computed', { evictions: 0 }],
  ['no eviction, tags known', { evictions: 0, known: true }],
  ['one eviction', { evictions: 1 }],
  ['two evictions', { evictions: 2 }],
  ['two evictions, tags known', { evictions: 2, known: true }],
]

t.test('G1, G3: in no order is anybody served what an invalidation ended, whatever is evicted', async (t) => {
  const worker = await checker(t)
  for (const [name, size] of TAGS)
    await t.test(name, async (t) => holds(t, await worker.call('tagsOnRedis', size, LIMIT)))
})

const TAG_MUTANTS: readonly TagSize[] = [
  { mutant: 'clock after load', writers: 1, evictions: 0 },
  { mutant: 'missing is valid', writers: 1, evictions: 1 },
  { mutant: 'made at the entry’s epoch', writers: 1, evictions: 1 },
  { mutant: 'clock without time', writers: 1, evictions: 2 },
]

t.test('G1, G3: each rule of epochs and tags is needed', async (t) => {
  const worker = await checker(t)
  for (const size of TAG_MUTANTS)
    await t.test(`without it: ${size.mutant}`, async (t) => breaks(t, await worker.call('tagsOnRedis', size, 60_000)))
})
