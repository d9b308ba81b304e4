import { startWorker, type Worker } from '@larder/test-redis'
import t, { type Test } from 'tap'
import type { Action, Mutation } from './sim.js'
import type { Finding, Methods, Scenario } from './workers/explorer.js'

const NIGHTLY = Boolean(process.env.LARDER_NIGHTLY)

const READ: Action = { what: 'read', tags: 'given' }
const COMPUTED: Action = { what: 'read', tags: 'computed' }
const FROM_REDIS: Action = { what: 'readFromRedis', tags: 'given' }
const GET: Action = { what: 'get' }
const INVALIDATE: Action = { what: 'invalidate' }
const CLEAR: Action = { what: 'clear' }
const DELETE: Action = { what: 'delete' }
const FOREIGN_DELETE: Action = { what: 'foreignDelete' }
const WRITE: Action = { what: 'writeThrough' }
const EXPIRE: Action = { what: 'expire' }
const EVICT: Action = { what: 'evict' }
const CRASH: Action = { what: 'crash' }

/** Who does what, in the order in which the calls begin. */
const SCENARIOS: Record<string, Scenario> = {
  'a load that an invalidation overtakes': {
    clients: 1,
    calls: [
      [0, READ],
      [0, INVALIDATE],
      [0, READ],
    ],
  },
  'a load with computed tags that an invalidation overtakes': {
    clients: 1,
    calls: [
      [0, COMPUTED],
      [0, INVALIDATE],
      [0, COMPUTED],
    ],
  },
  'a load that a deletion overtakes': {
    clients: 1,
    calls: [
      [0, READ],
      [0, DELETE],
      [0, READ],
    ],
  },
  'a load that a clear overtakes': {
    clients: 1,
    calls: [
      [0, READ],
      [0, CLEAR],
      [0, READ],
    ],
  },
  'an invalidation in another process': {
    clients: 2,
    calls: [
      [0, READ],
      [1, INVALIDATE],
      [0, READ],
      [0, READ],
    ],
  },
  'a deletion in another process': {
    clients: 2,
    calls: [
      [0, READ],
      [1, DELETE],
      [0, READ],
      [0, READ],
    ],
  },
  'a foreign deletion': {
    clients: 1,
    calls: [
      [0, READ],
      [0, FOREIGN_DELETE],
      [0, READ],
    ],
  },
  'a foreign deletion, read from Redis': {
    clients: 1,
    calls: [
      [0, FROM_REDIS],
      [0, FOREIGN_DELETE],
      [0, FROM_REDIS],
    ],
  },
  'an invalidation elsewhere while the feed fails': {
    clients: 2,
    calls: [
      [0, READ],
      [1, INVALIDATE],
      [0, READ],
    ],
    faults: 2,
  },
  'a deletion elsewhere while the feed fails': {
    clients: 2,
    calls: [
      [0, READ],
      [1, DELETE],
      [0, READ],
    ],
    faults: 2,
  },
  'a process that waits for another one’s load': {
    clients: 2,
    calls: [
      [0, READ],
      [1, READ],
      [1, DELETE],
      [1, READ],
    ],
  },
  'two writes that overlap': {
    clients: 2,
    calls: [
      [0, WRITE],
      [1, WRITE],
      [0, READ],
      [1, GET],
    ],
  },
  'a write and a load': {
    clients: 2,
    calls: [
      [0, READ],
      [1, WRITE],
      [0, READ],
    ],
  },
  'a loader that dies': {
    clients: 2,
    calls: [
      [0, READ],
      [0, CRASH],
      [1, READ],
      [1, INVALIDATE],
      [1, READ],
    ],
  },
  'a writer that dies': {
    clients: 2,
    calls: [
      [0, WRITE],
      [0, CRASH],
      [1, READ],
    ],
  },
  'an eviction during a load': {
    clients: 2,
    calls: [
      [0, READ],
      [0, EVICT],
      [1, INVALIDATE],
      [0, READ],
    ],
  },
  'a refresh that an invalidation overtakes': {
    clients: 2,
    calls: [
      [0, READ],
      [0, EXPIRE],
      [0, READ],
      [1, INVALIDATE],
      [0, READ],
    ],
  },
}

/** What is broken on purpose, and the scenarios one of which must tell. */
const MUTANTS: readonly [name: string, mutation: Mutation, scenarios: readonly string[]][] = [
  ['no fence: a reply that crosses a message is kept', { noFence: true }, ['a deletion in another process']],
  [
    'no connection epoch: a lost feed is told to nobody',
    { noConnection: true },
    ['a deletion elsewhere while the feed fails'],
  ],
  [
    'tags are believed beyond the trust in the feed',
    { noTrust: true },
    ['an invalidation elsewhere while the feed fails'],
  ],
  [
    'an invalidation holds here only when it is back from Redis',
    { noBegin: true },
    ['a load that an invalidation overtakes'],
  ],
  ['a deletion does not detach the load under way', { noTouch: true }, ['a load that a deletion overtakes']],
  [
    'a load under way is joined whatever was heard',
    { noSuspicion: true },
    ['a foreign deletion', 'a deletion in another process'],
  ],
]

async function explorer(t: Test): Promise<Worker<Methods>> {
  const worker = await startWorker<Methods>(new URL('./workers/explorer.js', import.meta.url))
  t.teardown(() => worker.stop())
  return worker
}

function tell(t: Test, finding: Finding | undefined): void {
  if (finding) t.fail(finding.violation, { trace: finding.trace })
  else t.pass()
}

t.test('no order of messages makes a process serve what it must not', async (t) => {
  const worker = await explorer(t)
  let total = 0
  for (const [name, scenario] of Object.entries(SCENARIOS)) {
    await t.test(name, async (t) => {
      const bounds = NIGHTLY ? { bound: 3, limit: 60_000 } : { bound: 2, limit: 600 }
      const { finding, played } = await worker.call('all', scenario, bounds)
      total += played
      tell(t, finding)
    })
  }
  t.comment(`${total} orders of ${Object.keys(SCENARIOS).length} scenarios`)
})

t.test('what is broken on purpose is noticed', async (t) => {
  const worker = await explorer(t)
  for (const [name, mutation, scenarios] of MUTANTS) {
    await t.test(name, async (t) => {
      const found: string[] = []
      for (const scenario of scenarios) {
        const one = { ...(SCENARIOS[scenario] as Scenario), mutation }
        const { finding, played } = await worker.call('all', one, { bound: 3, limit: 20_000 })
        if (finding) found.push(`${scenario}, order ${played}: ${finding.violation}`)
      }
      t.ok(found.length > 0)
      t.comment(found.join('; '))
    })
  }
})

t.test('no scenario by chance, in an order by chance, makes a process serve what it must not', async (t) => {
  const worker = await explorer(t)
  const seed = NIGHTLY ? Date.now() % 2 ** 31 : 20_261_122
  const { finding, played } = await worker.call('random', NIGHTLY ? 100_000 : 1_500, seed)
  t.comment(`${played} runs from seed ${seed}`)
  tell(t, finding)
})
