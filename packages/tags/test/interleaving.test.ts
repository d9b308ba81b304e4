import { startRedis, startWorker, type Worker } from '@larder/test-redis'
import t, { type Test } from 'tap'
import type { Mutant } from './simulation/mutants.js'
import { SCENARIOS, TELLING } from './simulation/scenarios.js'
import type { Explored, Methods } from './workers/explorer.js'

/*
 * The real plugins on a real Redis, with every command, reply and message of the feed delivered in an order that fast-check's
 * scheduler decides, against a sequential specification.
 */

const NIGHTLY = Boolean(process.env.LARDER_NIGHTLY)
/** Orders of each scenario, and programs by chance. */
const [ORDERS, PROGRAMS] = NIGHTLY ? [1_000, 10_000] : [12, 150]
const SEED = NIGHTLY ? Date.now() % 2 ** 31 : 20_261_125
/** Programs of one call, so that none lasts longer than a test may. */
const AT_ONCE = 1_000

async function explorer(t: Test): Promise<Worker<Methods>> {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const worker = await startWorker<Methods>(new URL('./workers/explorer.js', import.meta.url), {
    env: { REDIS_PORT: String(server.port), NODE_NO_WARNINGS: '1' },
  })
  t.teardown(() => worker.stop())
  return worker
}

function tell(t: Test, { finding }: Explored): void {
  if (finding) t.fail(finding.violation, { program: finding.program, trace: finding.trace })
  else t.pass()
}

// What lasts for minutes at night is no reason to give up.
if (NIGHTLY) t.setTimeout(0)

t.test('G1, G3, G4, G8: in no order of messages is anybody served what does not count any more', async (t) => {
  const worker = await explorer(t)
  let total = 0
  for (const [name, program] of Object.entries(SCENARIOS)) {
    await t.test(name, async (t) => {
      const explored = await worker.call('orders', program, ORDERS, SEED)
      total += explored.played
      tell(t, explored)
    })
  }
  t.comment(`${total} orders of ${Object.keys(SCENARIOS).length} scenarios, seed ${SEED}`)
})

t.test('G1, G3, G4, G8: nor in any program by chance', async (t) => {
  const worker = await explorer(t)
  for (let played = 0; played < PROGRAMS; played += AT_ONCE)
    tell(t, await worker.call('programs', Math.min(AT_ONCE, PROGRAMS - played), SEED + played))
  t.comment(`${PROGRAMS} programs, seed ${SEED}`)
})

t.test('what is broken on purpose is noticed', async (t) => {
  const worker = await explorer(t)
  for (const [mutant, scenario] of Object.entries(TELLING)) {
    await t.test(mutant, async (t) => {
      const { finding, played } = await worker.call('orders', SCENARIOS[scenario] as never, 1_000, 4, mutant as Mutant)
      t.ok(finding, 'a wrong answer is found')
      t.comment(`in order ${played} of ${scenario}: ${finding?.violation}`)
    })
  }
})
