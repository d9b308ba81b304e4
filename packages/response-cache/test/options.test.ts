import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import plugin, { responseCache } from '@larder/response-cache'
import t from 'tap'
import * as errors from '../dist/errors.js'
import { resolveOptions, resolveRoute } from '../dist/options.js'

const ROUTE = {
  ttl: undefined,
  staleWhileRevalidate: 0,
  staleIfError: 0,
  tags: [],
  vary: [],
  private: undefined,
  cookies: 'personal',
  maxBodyBytes: 1024 ** 2,
  heuristics: false,
}

t.test('the defaults are what the README says', async (t) => {
  const { route, ...options } = resolveOptions({})
  t.strictSame(options, {
    global: false,
    status: 'Larder',
    statusKey: false,
    hook: 'preHandler',
    maxVariants: 256,
    cache: undefined,
    name: undefined,
  })
  t.strictSame(route, ROUTE)
})

t.test('a route has the options of its registration, and its own before them', async (t) => {
  const options = resolveOptions({ ttl: '1m', staleIfError: '1h', vary: ['Accept-Language'], maxBodyBytes: '2kb' })
  t.strictSame(resolveRoute(true, options), {
    ...ROUTE,
    ttl: 60_000,
    staleIfError: 3_600_000,
    vary: ['accept-language'],
    maxBodyBytes: 2_048,
  })
  t.equal(resolveRoute({ ttl: 10, heuristics: true }, options)?.ttl, 10)
  t.equal(resolveRoute({ ttl: 10 }, options)?.staleIfError, 3_600_000)
  t.equal(resolveRoute(undefined, options), undefined)
  t.equal(resolveRoute(undefined, resolveOptions({ global: true }))?.heuristics, false)
  t.equal(resolveRoute(false, resolveOptions({ global: true })), undefined)
})

t.test('the README names every option and every error code, and no other', async (t) => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const named = (title: string): string[] => {
    const [, section = ''] = readme.split(`## ${title}\n`)
    const [rows = ''] = section.split('\n## ')
    return [...rows.matchAll(/^\| `([\w.]+)`/gm)].map(([, name]) => name as string).sort()
  }
  const { route, statusKey: _, ...options } = resolveOptions({})
  t.strictSame(named('Options'), [...Object.keys(options), ...Object.keys(route)].sort())
  const codes = Object.values(errors).map((Type) => new (Type as new () => { code: string })().code)
  t.strictSame(named('Errors'), [...codes, 'LARDER_DUPLICATE_NAME', 'LARDER_INVALID_OPTION'].sort())
})

t.test('the plugin is the default export, a named one, and what `require` gives', async (t) => {
  t.equal(plugin, responseCache)
  t.equal(createRequire(import.meta.url)('@larder/response-cache'), plugin)
})
