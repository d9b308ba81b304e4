import type { FastifyBaseLogger } from 'fastify'
import t from 'tap'
import type { Caches, Results } from '../dist/caches.js'
import { Report } from '../dist/report.js'
import { open } from './setup.js'

const NOTHING: Results = { hit: 0, stale: 0, miss: 0, coalesced: 0, bypass: 0, error: 0 }

/** Reports on a cache whose calls the test makes up. */
function reporting(warnBelow = 0.8) {
  const lines: { level: string; details: Record<string, unknown>; text: string }[] = []
  const write = (level: string) => (details: Record<string, unknown>, text: string) =>
    lines.push({ level, details, text })
  const log = { info: write('info'), warn: write('warn') } as unknown as FastifyBaseLogger
  const results: Results = { ...NOTHING }
  const caches = { results: () => new Map([['catalogue', { ...results }]]) } as unknown as Caches
  const report = new Report({ caches, log, warnBelow })
  const pass = (calls: Partial<Results>) => {
    for (const [name, count] of Object.entries(calls)) results[name as keyof Results] += count
    lines.length = 0
    report.log()
    return lines.map(({ level, details, text }) => `${level} ${details.hitRate} ${text}`)
  }
  return { pass, lines }
}

const REPORTED = 'larder: hit rate'
const LOW = 'larder: the hit rate stays under 80 %'

t.test('a report is of the time since the last one, and stale answers are hits', async (t) => {
  const { pass, lines } = reporting()
  t.strictSame(pass({ hit: 85, stale: 5, miss: 10 }), [`info 0.9 ${REPORTED}`])
  t.match(lines[0]?.details, { cache: 'catalogue', requests: 100, hit: 85, stale: 5, miss: 10 })
  t.strictSame(pass({ hit: 1, coalesced: 2 }), [`info 0.3333 ${REPORTED}`])
  t.strictSame(pass({}), [], 'nobody asked')
})

t.test('it warns once when the hit rate stays under 80 %, with enough calls', async (t) => {
  const { pass } = reporting()
  const low = { hit: 79, miss: 21 }
  t.strictSame(pass(low), [`info 0.79 ${REPORTED}`])
  t.strictSame(pass({ hit: 1, miss: 9 }), [`info 0.1 ${REPORTED}`], 'too few to mean anything')
  t.strictSame(pass(low), [`info 0.79 ${REPORTED}`])
  t.strictSame(pass({ hit: 80, miss: 20 }), [`info 0.8 ${REPORTED}`], 'not under it')
  for (let i = 0; i < 2; i++) t.strictSame(pass(low), [`info 0.79 ${REPORTED}`])
  t.strictSame(pass(low), [`info 0.79 ${REPORTED}`, `warn 0.79 ${LOW}`])
  for (let i = 0; i < 5; i++) t.strictSame(pass(low), [`info 0.79 ${REPORTED}`], 'it was said')
})

t.test('the bound is an option', async (t) => {
  const { pass } = reporting(0.5)
  for (let i = 0; i < 5; i++) t.strictSame(pass({ hit: 60, miss: 40 }), [`info 0.6 ${REPORTED}`])
})

t.test('the application logs it every `report`', async (t) => {
  const { app, namespace } = await open(t, { report: 20 })
  const told = new Promise<Record<string, unknown>>((resolve) => {
    app.log.info = ((details: Record<string, unknown>) => resolve(details)) as never
  })
  await app.cache.getOrSet('a', () => 1)
  const awake = setInterval(() => {}, 1_000)
  t.match(await told, { cache: namespace, requests: 1, miss: 1, hitRate: 0 })
  clearInterval(awake)
})
