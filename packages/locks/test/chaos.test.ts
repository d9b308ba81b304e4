import { setTimeout as sleep } from 'node:timers/promises'
import { startRedis, startSentinel, startWorker, type Worker } from '@larder/test-redis'
import t from 'tap'
import type { Methods } from './workers/chaos.js'

const WORKERS = 8
const TTL = 1_500
/** `LARDER_NIGHTLY=1`: for as long as it should be shown; else a part of it with every kind of fault. */
const SECONDS = process.env.LARDER_NIGHTLY ? 60 : 14

/** When locks may be granted twice: from the loss of what Redis knew until the last lease it forgot has ended. */
interface Window {
  readonly from: number
  to: number
}

t.setTimeout(4 * SECONDS * 1_000)
t.test(`${WORKERS} processes, stopped and killed, over a restart and a failover, for ${SECONDS} s`, async (t) => {
  const resource = await startRedis()
  t.teardown(() => resource.stop())
  const group = await startSentinel({ downAfter: 2_000 })
  t.teardown(() => group.stop())
  const env = { SENTINELS: JSON.stringify(group.sentinels), NAME: group.name, RESOURCE: resource.url }
  const workers: (Worker<Methods> | undefined)[] = new Array(WORKERS).fill(undefined)
  const crashes: unknown[] = []
  const hire = async (i: number): Promise<void> => {
    const worker = await startWorker<Methods>(new URL('./workers/chaos.js', import.meta.url), { env })
    workers[i] = worker
    worker.call('work').catch((error) => {
      if (workers[i] === worker) crashes.push(error)
    })
  }
  t.teardown(() => Promise.all(workers.map((worker) => worker?.kill())))
  await Promise.all(workers.map((_, i) => hire(i)))

  const end = performance.now() + SECONDS * 1_000
  const windows: Window[] = []
  const counts = { stops: 0, kills: 0, restarts: 0, failovers: 0 }
  const disturb = async (cause: () => Promise<unknown>): Promise<void> => {
    const window = { from: Date.now(), to: Number.POSITIVE_INFINITY }
    windows.push(window)
    await cause()
    window.to = Date.now() + TTL
  }
  /** Mostly the one that holds the lock. */
  const victim = async (): Promise<number> => {
    if (Math.random() < 0.4) return Math.floor(Math.random() * WORKERS)
    const fence = await resource.cli<string>('GET', 'fence')
    const pid = await resource.cli<string>('HGET', 'owners', fence ?? '')
    return workers.findIndex((worker) => worker?.pid === Number(pid))
  }
  const busy = new Set<number>()
  const faults = async (): Promise<void> => {
    while (performance.now() < end) {
      await sleep(50 + Math.random() * 150)
      const i = await victim()
      const worker = workers[i]
      if (!worker || busy.has(i)) continue
      busy.add(i)
      if (Math.random() < 0.15) {
        counts.kills++
        workers[i] = undefined
        await worker.kill()
        await hire(i)
      } else {
        counts.stops++
        await worker.pause()
        await sleep(Math.random() < 0.5 ? TTL + 0.5 * Math.random() * TTL : Math.random() * 300)
        worker.resume()
      }
      busy.delete(i)
    }
  }
  const outages = async (): Promise<void> => {
    const share = (SECONDS * 1_000) / 4
    await sleep(share)
    counts.restarts++
    await disturb(() => group.primary.restart())
    await sleep(share)
    counts.failovers++
    const old = group.primary
    await disturb(() => group.nextPrimary(() => old.kill()))
    await disturb(() => old.start())
  }
  await Promise.all([faults(), faults(), outages()])
  await Promise.all(workers.map((worker) => worker?.call('stop')))

  const [value, writes, twice] = (await resource.cli<(string | null)[]>('MGET', 'value', 'writes', 'twice')).map(Number)
  const refused = (await resource.cli<string[]>('LRANGE', 'refused', '0', '-1')).map((text) => JSON.parse(text))
  const failed = await resource.cli<string[]>('HGETALL', 'failed')
  // Sent at once by who held the lock, and yet too old: two held it. Who was stopped after it had looked is no such case.
  const doubled = refused.filter(({ took, held }) => held && took < 100)
  const unexplained = doubled.filter(({ at }) => !windows.some(({ from, to }) => at >= from && at <= to))
  t.comment(JSON.stringify({ ...counts, value, writes, refused: refused.length, doubled: doubled.length, failed }))
  t.strictSame(crashes, [], 'no worker crashed, no rejection was left unhandled')
  t.strictSame(unexplained, [], 'where Redis kept its memory, no two held the lock')
  t.equal(twice, 0, 'no token was given twice')
  t.equal(value, writes, 'no write was lost: what was granted twice, the token stopped')
  t.ok((writes as number) > SECONDS * 3, `${writes} writes`)
  // In a short run nobody may have been stopped just then; fencing.test.ts does it on purpose.
  if (process.env.LARDER_NIGHTLY)
    t.ok(refused.length > 0, `${refused.length} acts of holders whose lease was over were refused`)
  t.ok(counts.stops > 0 && counts.restarts === 1 && counts.failovers === 1)
})
