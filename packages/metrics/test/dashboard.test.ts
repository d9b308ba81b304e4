import { execFile, spawn } from 'node:child_process'
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePort, pollUntil, sharedRedis } from '@larder/test-redis'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { client, openAll, type T, views } from './setup.js'

const run = promisify(execFile)
const PACKAGE = new URL('../', import.meta.url)
const path = (name: string): string => fileURLToPath(new URL(name, PACKAGE))
const RULES = readFileSync(path('prometheus/larder.rules.yml'), 'utf8')
const DASHBOARD = JSON.parse(readFileSync(path('grafana/larder.json'), 'utf8')) as {
  panels: { title: string; targets?: { expr: string }[] }[]
}
const EXPRESSIONS = DASHBOARD.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })))

function binary(name: string): string | undefined {
  const paths = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name))
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

const promtool = binary('promtool')
const prometheus = binary('prometheus')
const unless = (found: string | undefined, name: string) => (found ? {} : { skip: `${name} is not installed` })

/** The names of series in an expression. */
function namesIn(expr: string): string[] {
  return [...expr.matchAll(/\b[a-z]+(?:_[a-z]+)+\b(?=[{[)\s]|$)/g)]
    .map(([name]) => name)
    .filter((name) => name !== 'histogram_quantile')
}

/** Does something of everything. */
async function use(app: FastifyInstance): Promise<void> {
  const { cache, locks, leaderboards } = app
  await cache.getOrSet(['a', Math.random()], () => 1, { tags: ['x'] })
  for (let i = 0; i < 3; i++) await cache.getOrSet('b', () => 1)
  await cache.getOrSet('bad', () => Promise.reject(new Error('no'))).catch(() => {})
  await app.tags.invalidate('x')
  await locks.using('x', () => locks.tryAcquire('x'))
  await app.events.publish('x', 1)
  await leaderboards.board('x').increment('ann')
  await views(app).increment('a')
  await app.inject('/limited')
  for (let i = 0; i < 2; i++) await app.inject('/page/1')
  await app.responseCache.purge('/page/1', { soft: true })
  await app.inject('/page/1')
  const login = await app.inject({ method: 'POST', url: '/login' })
  const cookie = String(login.headers['set-cookie']).split(';')[0] as string
  await app.inject({ method: 'POST', url: '/logout', headers: { cookie } })
}

async function apps(t: T): Promise<FastifyInstance[]> {
  const server = await sharedRedis()
  return Promise.all([openAll(t, client(t, server)), openAll(t, client(t, server))])
}

t.test(
  'every series of the dashboard and the alerts is exported, and every exported one is on the dashboard',
  async (t) => {
    const [app] = await apps(t)
    await use(app as FastifyInstance)
    const text = await (app as FastifyInstance).metrics.text()
    const exported = new Set([...text.matchAll(/^([a-z_]+)(?=[{ ])/gm)].map(([, name]) => name as string))
    const shown = EXPRESSIONS.flatMap(({ expr }) => namesIn(expr))
    const rules = [...RULES.matchAll(/expr: (?:\|\n((?: {10}.*\n)+)|(.*)\n)/g)].map(
      ([, many, one]) => many ?? (one as string),
    )
    t.ok(shown.length > 40 && rules.length > 10)
    for (const name of [...shown, ...rules.flatMap(namesIn)]) t.ok(exported.has(name), name)
    const families = [...text.matchAll(/^# TYPE ([a-z_]+) /gm)].map(([, name]) => name as string)
    for (const family of families)
      t.ok(
        shown.some((name) => name.startsWith(family)),
        `${family} is shown`,
      )
  },
)

t.test('promtool accepts the exposition, the rules, and what they say', unless(promtool, 'promtool'), async (t) => {
  const [app] = await apps(t)
  await use(app as FastifyInstance)
  const text = await (app as FastifyInstance).metrics.text()
  const checking = run(promtool as string, ['check', 'metrics'])
  checking.child.stdin?.end(text)
  t.equal((await checking).stderr, '')
  t.match((await run(promtool as string, ['check', 'rules', path('prometheus/larder.rules.yml')])).stdout, /SUCCESS/)
  t.match((await run(promtool as string, ['test', 'rules', path('test/rules.yml')])).stdout, /SUCCESS/)
})

t.test(
  'every expression of the dashboard returns data',
  { ...unless(prometheus, 'prometheus'), timeout: 90_000 },
  async (t) => {
    const both = await apps(t)
    const addresses = await Promise.all(both.map((app) => app.listen({ host: '127.0.0.1', port: 0 })))
    const url = await startPrometheus(
      t,
      addresses.map((address) => address.replace('http://', '')),
    )
    const working = new AbortController()
    t.teardown(() => working.abort())
    const loop = (async () => {
      while (!working.signal.aborted) await Promise.all(both.map(use))
    })()
    const ask = async (expr: string): Promise<unknown[]> => {
      const query = new URLSearchParams({ query: expr.replaceAll('$__rate_interval', '5s') })
      const answer = (await (await fetch(`${url}/api/v1/query?${query}`)).json()) as { data: { result: unknown[] } }
      if (!answer.data) throw new Error(JSON.stringify(answer))
      return answer.data.result
    }
    await pollUntil(
      'two scrapes',
      async () => (await ask('rate(feed_heard_total[$__rate_interval])')).length === 2,
      30_000,
    )
    for (const { title, expr } of EXPRESSIONS) t.not((await ask(expr)).length, 0, `${title}: ${expr}`)
    const rate = await ask('sum(rate(cache_requests_total{result="hit"}[$__rate_interval])) > 0')
    t.equal(rate.length, 1, 'and it is the data of what happens')
    working.abort()
    await loop
  },
)

/** A Prometheus that scrapes these addresses; ends with the test. */
async function startPrometheus(t: T, targets: string[]): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'larder-prometheus-'))
  const config = join(folder, 'prometheus.yml')
  writeFileSync(
    config,
    JSON.stringify({
      global: { scrape_interval: '300ms', scrape_timeout: '300ms' },
      rule_files: [path('prometheus/larder.rules.yml')],
      scrape_configs: [{ job_name: 'shop', static_configs: [{ targets }] }],
    }),
  )
  const address = `127.0.0.1:${await freePort()}`
  const args = [`--config.file=${config}`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=${address}`]
  const child = spawn(prometheus as string, args, { stdio: 'ignore' })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
    rmSync(folder, { recursive: true, force: true })
  })
  await pollUntil(
    'Prometheus',
    () =>
      fetch(`http://${address}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
    30_000,
  )
  return `http://${address}`
}
