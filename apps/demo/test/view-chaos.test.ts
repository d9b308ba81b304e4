import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openPglite } from '@larder/demo'
import { pollUntil, startRedis, startWorker, type Worker } from '@larder/test-redis'
import t from 'tap'
import { PostgresServer } from './smoke/postgres-server.js'
import { Account } from './views/account.js'
import { watchRedis } from './views/witness.js'
import type { Death, Methods } from './workers/viewer.js'

const WORKERS = 4
const NIGHTLY = process.env.LARDER_NIGHTLY !== undefined
/** `LARDER_NIGHTLY=1`: as much as should be shown; else a part of it with every kind of fault. */
const INCREMENTS = NIGHTLY ? 200_000 : 10_000
const MILLISECONDS = NIGHTLY ? 90_000 : 6_000
const OUTAGE = NIGHTLY ? 10_000 : 1_000
const PAUSE = NIGHTLY ? 3_000 : 800
/** Of each kind. */
const KILLS = NIGHTLY ? 10 : 2
/** A product whose views make the flush fail until the fault is mended; in accounts its place is 0. */
const POISON = 4999
/** Views that a process begins at once. */
const GROUP = 10

/** `committed`: when its statement is committed and the database has not answered. */
type Kill = Death | 'committed'
/** One process, from its start to its end. */
type Incarnation = {
  worker: Worker<Methods>
  account: string
  /** Not to be killed now. */
  busy: boolean
  doomed: Kill | undefined
  killed: boolean
}

t.setTimeout(NIGHTLY ? 400_000 : 110_000)
t.test(`${INCREMENTS} views by ${WORKERS} processes that are killed, Redis paused, the database away`, async (t) => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const pglite = await openPglite()
  t.teardown(() => pglite.close())
  let postgres = await PostgresServer.start(pglite)
  t.teardown(() => postgres.stop())
  const url = new URL(postgres.url)
  const folder = mkdtempSync(join(tmpdir(), 'views-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const witness = await watchRedis(redis)
  t.teardown(() => witness.stop())

  const incarnations: Incarnation[] = []
  t.teardown(() => Promise.all(incarnations.map(({ worker }) => worker.kill())))
  const current: (Incarnation | undefined)[] = []
  const crashes: unknown[] = []
  const kills: Record<Kill, number> = { appending: 0, before: 0, committed: 0, after: 0 }
  let working = true
  let hired = 0

  const hire = async (i: number): Promise<void> => {
    const account = join(folder, String(hired++))
    const env = { REDIS: redis.url, DATABASE: url.href, ACCOUNT: account, POISON: String(POISON) }
    const worker = await startWorker<Methods>(new URL('./workers/viewer.js', import.meta.url), { env })
    const incarnation: Incarnation = { worker, account, busy: true, doomed: undefined, killed: false }
    incarnations.push(incarnation)
    current[i] = incarnation
  }
  /** Has so many views counted in about so many milliseconds, by one process after the other. */
  const work = async (i: number, increments: number, milliseconds: number): Promise<void> => {
    const incarnation = current[i] as Incarnation
    const { worker, account } = incarnation
    const before = Account.read(account).total.begun
    const begun = performance.now()
    try {
      incarnation.busy = false
      await worker.call('work', increments, milliseconds)
      incarnation.busy = true
      await worker.call('dieAt', undefined)
      incarnation.doomed = undefined
    } catch (error) {
      if (!incarnation.doomed) return void crashes.push(error)
      await worker.kill()
      incarnation.killed = true
      kills[incarnation.doomed]++
      const left = Math.max(increments - Account.read(account).total.begun + before, 0)
      await hire(i)
      await work(i, left, Math.max(milliseconds - (performance.now() - begun), 1_000))
    }
  }

  const runs: string[] = []
  const orphans: string[] = []
  let strike = false
  const onQuery = async (messages: string): Promise<void> => {
    const [, pid, batch] = /\/\* (\d+) (\S+) \*\/ WITH fresh/.exec(messages) ?? []
    if (!batch) return
    runs.push(batch)
    const victim = current.find((incarnation) => incarnation?.worker.pid === Number(pid))
    if (!strike || !victim || victim.busy || victim.doomed) return
    strike = false
    orphans.push(batch)
    victim.doomed = 'committed'
    await victim.worker.kill()
  }
  postgres.onQuery = onQuery

  const isMissing = (): boolean => Object.values(kills).includes(0)
  const killing = async (): Promise<void> => {
    for (let i = 0; i < 4 * KILLS || isMissing(); i++) {
      await sleep((0.7 * MILLISECONDS) / (4 * KILLS))
      const kind = (['appending', 'before', 'committed', 'after'] as const)[i % 4] as Kill
      await pollUntil('a victim', () => !working || strike || current.some((one) => one && !one.busy && !one.doomed))
      if (!working) return
      if (kind === 'committed') strike = true
      if (kind === 'committed') continue
      const alive = current.filter((one): one is Incarnation => one !== undefined && !one.busy && !one.doomed)
      const victim = alive[Math.floor(Math.random() * alive.length)]
      if (!victim) continue
      victim.doomed = kind
      await victim.worker.call('dieAt', kind).catch(() => {})
    }
  }
  const tallies = (): { everKept: number; failed: number } => {
    const all = incarnations.map(({ account }) => Account.read(account).tallies)
    return {
      everKept: all.reduce((sum, { everKept }) => sum + everKept, 0),
      failed: all.reduce((sum, { failed }) => sum + failed, 0),
    }
  }
  const faults = async (): Promise<void> => {
    const step = MILLISECONDS / 8
    await sleep(step)
    let poisoner: Incarnation | undefined
    await pollUntil('somebody to be poisoned', () => {
      poisoner = current.find((one) => one && !one.busy && !one.doomed)
      if (poisoner) poisoner.busy = true
      return poisoner !== undefined
    })
    await poisoner?.worker.call('poison')
    if (poisoner) poisoner.busy = false
    await sleep(step)
    await redis.pause()
    await sleep(PAUSE)
    await pollUntil('Redis to be missed', () => !working || tallies().everKept > 0)
    redis.resume()
    await sleep(step)
    await postgres.stop()
    await sleep(OUTAGE)
    // The lease of somebody who was killed may keep all others from trying for a while.
    await pollUntil('the database to be missed', () => !working || tallies().failed > 0)
    postgres = await PostgresServer.start(pglite, Number(url.port))
    postgres.onQuery = onQuery
  }
  await Promise.all(Array.from({ length: WORKERS }, (_, i) => hire(i)))
  const disturbed = Promise.all([killing(), faults()])
  const each = (increments: number, milliseconds: number): Promise<unknown> =>
    Promise.all(Array.from({ length: WORKERS }, (_, i) => work(i, increments, milliseconds)))
  await each(INCREMENTS / WORKERS, MILLISECONDS)
  // On a busy machine processes start too slowly for everybody to have died by then.
  for (let more = 0; more < 20 && isMissing() && crashes.length === 0; more++) await each(500, 1_500)
  working = false
  strike = false
  await disturbed
  const survivors = current as Incarnation[]
  const [first] = survivors as [Incarnation]
  for (const { worker } of survivors)
    await pollUntil('all to be flushed', async () => (await worker.call('flush')) === 'flushed', 60_000)
  const counted = await witness.totals()
  const letters = await first.worker.call('letters')
  t.equal(letters.length, 1, 'one batch was poisoned')
  t.match(letters[0], { error: 'Error: poison', entries: new Map([[String(POISON), 1]]) })
  t.equal((await written(pglite)).get(POISON), undefined)
  for (const { worker } of survivors) await worker.call('heal')
  t.equal(await first.worker.call('replay', letters[0]?.id ?? ''), true)
  t.equal(await first.worker.call('flush'), 'flushed')

  const rows = await written(pglite)
  const accounts = incarnations.map(({ account, killed }) => {
    const { total, entries } = Account.read(account)
    return { killed, total, entries }
  })
  const sum = (pick: (account: (typeof accounts)[number]) => number) =>
    accounts.reduce((total, account) => total + pick(account), 0)
  const total = [...rows.values()].reduce((a, b) => a + b, 0)
  const batches = await pglite.query<{ id: string }>('SELECT id FROM shop.view_batches')
  const updates = batches.rows.length
  const report = {
    kills,
    views: sum(({ total }) => total.begun),
    acknowledged: sum(({ total }) => total.stored),
    written: total,
    inDoubt: sum(({ total }) => inDoubt(total)),
    keptByTheDead: sum(({ total }) => total.kept),
    ...tallies(),
    batches: updates,
    statements: runs.length,
    hotRow: rows.get(1),
  }
  t.comment(JSON.stringify(report))
  t.strictSame(crashes, [], 'no process crashed, no rejection was left unhandled')
  t.strictSame(rows, counted, 'the database has what Redis was told, row by row: nothing lost, nothing twice')
  for (const [product, views] of rows) {
    const place = product === POISON ? 0 : product
    const entries = accounts.map(({ entries }) => entries[place]).filter((entry) => entry !== undefined)
    const stored = entries.reduce((total, entry) => total + entry.stored, 0)
    const most = entries.reduce((total, entry) => total + inDoubt(entry), stored)
    t.ok(
      views >= stored && views <= most,
      `product ${product}: ${views} views of ${stored} acknowledged, ${most} at most`,
    )
  }
  for (const { killed, total } of accounts) {
    t.equal(total.refused, 0)
    if (!killed) t.equal(total.stored, total.begun, 'who lives has every answer, and it is true')
    else t.ok(inDoubt(total) - total.kept <= GROUP + 1, 'of the dead no more is in doubt than what it had just begun')
  }
  t.strictSame(new Set(runs), new Set(batches.rows.map(({ id }) => id)), 'each batch that was sent is recorded, once')
  t.ok(runs.length > updates, `${runs.length - updates} statements found their batch recorded`)
  t.ok(
    orphans.every((batch) => runs.filter((run) => run === batch).length > 1),
    'a batch whose flusher died after the commit was sent again',
  )
  t.ok((rows.get(1) ?? 0) / updates >= 20, `${(rows.get(1) ?? 0) / updates} increments of a hot row for each update`)
  for (const [kind, count] of Object.entries(kills)) t.ok(count > 0, `${count} died: ${kind}`)
  t.ok(report.everKept > 0 && report.failed > 0, 'Redis and the database were missed')
  for (const { worker } of survivors) await worker.stop()
})

/** Views of which the process did not hear what became of them, or which it had only kept. */
function inDoubt({ begun, stored, refused }: { begun: number; stored: number; refused: number }): number {
  return begun - stored - refused
}

async function written(pglite: Awaited<ReturnType<typeof openPglite>>): Promise<Map<number, number>> {
  const { rows } = await pglite.query<{ id: number; views: number }>(
    'SELECT product_id AS id, views::int AS views FROM shop.product_views ORDER BY product_id',
  )
  return new Map(rows.map(({ id, views }) => [id, views]))
}
