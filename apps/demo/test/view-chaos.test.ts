import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openPglite } from '@larder/demo'
import { pollUntil, startRedis, startWorker, type Worker } from '@larder/test-redis'
import t from 'tap'
import { PostgresServer } from './smoke/postgres-server.js'
import type { Methods } from './workers/viewer.js'

const WORKERS = 4
const NIGHTLY = process.env.LARDER_NIGHTLY !== undefined
/** `LARDER_NIGHTLY=1`: as much as should be shown; else a part of it with every kind of fault. */
const INCREMENTS = NIGHTLY ? 200_000 : 10_000
const MILLISECONDS = NIGHTLY ? 90_000 : 6_000
const OUTAGE = NIGHTLY ? 10_000 : 1_000
const PAUSE = NIGHTLY ? 3_000 : 800
const KILLS = NIGHTLY ? 40 : 6
/** A product whose views make the flush fail until the fault is mended. */
const POISON = '4999'

/** One process, from its start to its end. */
type Incarnation = { worker: Worker<Methods>; account: string; killed: boolean }
type Account = { begun: number; stored: number; kept: number; refused: number }

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
  const seen = await watch(t, redis)

  const incarnations: Incarnation[] = []
  const current: (Incarnation | undefined)[] = []
  const crashes: unknown[] = []
  const kills = { before: 0, after: 0, appending: 0 }
  let killing = true
  let hired = 0

  const hire = async (i: number, increments: number, milliseconds: number): Promise<void> => {
    const account = join(folder, String(hired++))
    const env = { REDIS: redis.url, DATABASE: url.href, ACCOUNT: account, POISON }
    const worker = await startWorker<Methods>(new URL('./workers/viewer.js', import.meta.url), { env })
    const incarnation = { worker, account, killed: false }
    incarnations.push(incarnation)
    current[i] = incarnation
    listen(incarnation)
    const begun = performance.now()
    await worker.call('work', increments, milliseconds).catch(async (error) => {
      if (!incarnation.killed) return void crashes.push(error)
      const left = increments - read(account).begun
      if (left > 0) await hire(i, left, Math.max(milliseconds - (performance.now() - begun), 1_000))
    })
  }
  const kill = async (incarnation: Incarnation | undefined, when: keyof typeof kills): Promise<void> => {
    if (!killing || !incarnation || incarnation.killed || kills.before + kills.after + kills.appending >= KILLS) return
    incarnation.killed = true
    kills[when]++
    await incarnation.worker.kill()
  }
  /** Some die with the batch in their hands. */
  const listen = async (incarnation: Incarnation): Promise<void> => {
    for (;;) {
      const ended = await incarnation.worker.next('flushing').then(
        () => false,
        () => true,
      )
      if (ended) return
      if (kills.before < KILLS / 3 && Math.random() < 0.2) await kill(incarnation, 'before')
    }
  }
  /** Others when it is committed and they do not know it yet. */
  const onQuery = async (messages: string): Promise<void> => {
    if (!messages.includes('view_batches') || kills.after >= KILLS / 3 || Math.random() > 0.2) return
    const pid = Number(/\/\* (\d+) \*\//.exec(messages)?.[1])
    await kill(
      incarnations.find(({ worker }) => worker.pid === pid),
      'after',
    )
  }
  postgres.onQuery = onQuery
  t.teardown(() => Promise.all(incarnations.map(({ worker }) => worker.kill())))

  const faults = async (): Promise<void> => {
    const step = MILLISECONDS / 8
    await sleep(step)
    await pollUntil('a victim that takes the poison', async () => {
      const victim = current[0]
      if (!victim || victim.killed) return false
      await victim.worker.call('poison')
      return true
    })
    await sleep(step)
    await redis.pause()
    await sleep(PAUSE)
    redis.resume()
    await sleep(step)
    await postgres.stop()
    await sleep(OUTAGE)
    postgres = await PostgresServer.start(pglite, Number(url.port))
    postgres.onQuery = onQuery
    while (killing && kills.appending < KILLS / 3) {
      await sleep((step * 3) / KILLS)
      await kill(current[Math.floor(Math.random() * WORKERS)], 'appending')
    }
  }
  const disturbed = faults()
  const share = INCREMENTS / WORKERS
  await Promise.all(Array.from({ length: WORKERS }, (_, i) => hire(i, share, MILLISECONDS)))
  killing = false
  await disturbed

  const [first] = current as [Incarnation]
  await pollUntil('all to be flushed', async () => (await first.worker.call('flush')) === 'flushed', 60_000)
  const accounts = incarnations.map((incarnation) => ({ ...read(incarnation.account), killed: incarnation.killed }))
  const sum = (pick: (account: Account & { killed: boolean }) => number) =>
    accounts.reduce((total, account) => total + pick(account), 0)
  const acknowledged = sum(({ stored, kept, killed }) => stored + (killed ? 0 : kept))
  const inDoubt = sum(({ begun, stored, refused, killed }) => (killed ? begun - stored - refused : 0))

  const counted = await seen.totals()
  const beforeReplay = await written(pglite)
  const letters = await first.worker.call('letters')
  t.equal(letters.length, 1, 'one batch was poisoned')
  t.match(letters[0], { error: 'Error: poison', entries: new Map([[POISON, 1]]) })
  t.equal(beforeReplay.get(Number(POISON)), undefined)
  for (const { worker, killed } of incarnations) if (!killed) await worker.call('heal')
  t.equal(await first.worker.call('replay', letters[0]?.id ?? ''), true)
  t.equal(await first.worker.call('flush'), 'flushed')

  const rows = await written(pglite)
  const total = [...rows.values()].reduce((a, b) => a + b, 0)
  const batches = await pglite.query<{ count: number }>('SELECT count(*)::int AS count FROM shop.view_batches')
  const updates = batches.rows[0]?.count ?? 0
  const report = { ...kills, total, acknowledged, inDoubt, updates, hot: rows.get(1) }
  t.comment(JSON.stringify(report))
  t.strictSame(crashes, [], 'no process crashed, no rejection was left unhandled')
  t.strictSame(rows, counted, 'the database has what Redis was told, row by row: nothing lost, nothing twice')
  t.ok(total >= acknowledged && total <= acknowledged + inDoubt, JSON.stringify(report))
  t.ok((rows.get(1) ?? 0) / updates >= 20, `${(rows.get(1) ?? 0) / updates} increments of a hot row for each update`)
  t.ok(kills.before > 0 && kills.after > 0, 'processes died before and after the commit')
  for (const { worker, killed } of incarnations) if (!killed) await worker.stop()
})

/** What a process that is gone had written down. */
function read(account: string): Account {
  const bytes = readFileSync(account)
  const [begun = 0, stored = 0, kept = 0, refused = 0] =
    bytes.length < 32 ? [] : new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + 32))
  return { begun, stored, kept, refused }
}

async function written(pglite: Awaited<ReturnType<typeof openPglite>>): Promise<Map<number, number>> {
  const { rows } = await pglite.query<{ id: number; views: number }>(
    'SELECT product_id AS id, views::int AS views FROM shop.product_views ORDER BY product_id',
  )
  return new Map(rows.map(({ id, views }) => [id, views]))
}

/**
 * What Redis was told, told by Redis itself: the highest total of each process and product of each generation. Nobody else can say
 * whether an increment was made whose process died before it had the answer.
 */
async function watch(t: Pick<typeof import('tap').t, 'teardown'>, redis: Awaited<ReturnType<typeof startRedis>>) {
  const client = redis.client()
  const monitor = await client.monitor()
  t.teardown(() => monitor.disconnect())
  const highest = new Map<string, number>()
  const taken = new Set<string>()
  let marker = ''
  monitor.on('monitor', (_time: string, [command = '', key = '', ...args]: string[]) => {
    const name = command.toLowerCase()
    if (name === 'echo') marker = key
    if (!key.includes(':live:') || taken.has(key)) return
    // With its batch taken, a generation refuses what comes too late.
    if (name === 'del') taken.add(key)
    if (name !== 'zadd') return
    for (let i = 1; i < args.length; i += 2) {
      const member = `${key} ${args[i + 1]}`
      highest.set(member, Math.max(highest.get(member) ?? 0, Number(args[i])))
    }
  })
  return {
    totals: async (): Promise<Map<number, number>> => {
      await redis.cli('ECHO', 'all')
      await pollUntil('the monitor', () => marker === 'all')
      const totals = new Map<number, number>()
      for (const [member, total] of highest) {
        const product = Number(/\+(\d+)$/.exec(member)?.[1])
        if (!Number.isNaN(product)) totals.set(product, (totals.get(product) ?? 0) + total)
      }
      return new Map([...totals].sort(([a], [b]) => a - b))
    },
  }
}
