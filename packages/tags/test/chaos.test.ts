import { findFaketime, startWorker, type Worker } from '@larder/test-redis'
import t, { type Test } from 'tap'
import type { Methods } from './workers/storms.js'

const NIGHTLY = Boolean(process.env.LARDER_NIGHTLY)
/** Reads that are checked under each kind of fault. */
const READS = NIGHTLY ? 100_000 : 2_000

if (NIGHTLY) t.setTimeout(0)

async function storms(t: Test): Promise<Worker<Methods>> {
  const worker = await startWorker<Methods>(new URL('./workers/storms.js', import.meta.url))
  t.teardown(() => worker.stop())
  return worker
}

/** Why a storm cannot be raised here, by its name. */
const IMPOSSIBLE: { readonly [storm in keyof Methods]?: string } = findFaketime()
  ? {}
  : { clockSetBack: 'needs libfaketime, by which a server’s clock can be set' }

const FAULTS: readonly [name: string, storm: Exclude<keyof Methods, 'firstHits'>][] = [
  ['G3: helper keys are deleted at random under load', 'evictions'],
  ['G3: the clock of the server is set back by an hour and forward again under load', 'clockSetBack'],
  ['G3: the clock of the namespace is ahead of the server’s, and is lost, under load', 'clockAhead'],
  ['G3, G8, G9: Redis is killed and comes back empty under load', 'restarts'],
  ['G8, G9: Sentinel fails over while tags are invalidated', 'failovers'],
  ['G9: slots are moved under load, also that of the tags', 'movedSlots'],
]

t.test('under load', { jobs: NIGHTLY ? 2 : 3 }, async (t) => {
  for (const [name, storm] of FAULTS) {
    const skip = IMPOSSIBLE[storm]
    t.test(name, skip === undefined ? {} : { skip }, async (t) => {
      const worker = await storms(t)
      const { reads, stale, errors, loads, changes } = await worker.call(storm, READS)
      t.strictSame(stale.slice(0, 5), [], 'nothing stale was served')
      t.strictSame([...new Set(errors)].slice(0, 5), [], 'nothing failed')
      t.ok(reads >= READS && changes > 0)
      t.comment(
        `${reads} checked reads, ${changes} changes, ${loads} loads, ${stale.length} stale, ${errors.length} errors`,
      )
    })
  }
})

t.test('G7: when Redis is back after a kill the first hit comes within 500 ms', async (t) => {
  const worker = await storms(t)
  const times = await worker.call('firstHits')
  t.ok(Math.min(...times) < 500, `it took ${times.map((time) => time.toFixed()).join(', ')} ms`)
})
