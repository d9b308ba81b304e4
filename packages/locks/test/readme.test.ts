import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { sharedRedis, uniqueNamespace } from '@larder/test-redis'
import t from 'tap'
import { runReadme } from '../../../scripts/readme.mjs'
import { client } from './setup.js'

/** What of PGlite is used. */
interface Database {
  query(sql: string, parameters?: unknown[]): Promise<{ rows: unknown[] }>
  close(): Promise<void>
}

const page = readFileSync(new URL('../../../docs/locks-fencing.md', import.meta.url), 'utf8')

function blocks(language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, code]) => code as string)
}

t.test('the code of the README and the example compile and run', async (t) => {
  const ran = runReadme(['README.md', 'example.ts'], 'dist-test/readme')
  t.equal(ran.length, 2)
  t.match(ran[1]?.output, /Ada gets it.*Grace gets nothing.*left: 0/s)
})

t.test('the SQL of the page about fencing refuses who comes too late', async (t) => {
  const demo = createRequire(new URL('../../../apps/demo/package.json', import.meta.url))
  const { PGlite } = demo('@electric-sql/pglite') as { PGlite: new () => Database }
  const database = new PGlite()
  t.teardown(() => database.close())
  const [alter, enter, write] = blocks('sql') as [string, string, string]
  await database.query('CREATE TABLE stock (product_id int PRIMARY KEY, quantity int NOT NULL)')
  await database.query(alter)
  await database.query('INSERT INTO stock VALUES (7, 5)')
  const rows = async (sql: string, ...parameters: unknown[]) => (await database.query(sql, parameters)).rows
  t.strictSame(await rows(enter, '1795000000000001', 7), [{ quantity: 5 }])
  t.strictSame(await rows(enter, '1795000000000002', 7), [{ quantity: 5 }])
  t.strictSame(await rows(write, '1795000000000001', 7, 4), [], 'the older holder writes nothing')
  t.strictSame(await rows(enter, '1795000000000001', 7), [], 'nor does it enter again')
  t.strictSame(await rows(write, '1795000000000002', 7, 4), [{ quantity: 4 }])
})

t.test('the Lua of the page about fencing refuses who comes too late', async (t) => {
  const redis = client(t, await sharedRedis())
  const [enter, write] = blocks('lua') as [string, string]
  const keys = ['fence', 'value'].map((key) => `${uniqueNamespace()}:${key}`)
  const run = (script: string, ...args: string[]) => redis.eval(script, 2, ...keys, ...args)
  t.equal(await run(enter, '1795000000000001'), '')
  t.equal(await run(enter, '1795000000000002'), '')
  t.equal(await run(write, '1795000000000001', 'old'), 0)
  t.equal(await run(enter, '1795000000000001'), null)
  t.equal(await run(write, '1795000000000002', 'new'), 1)
  t.equal(await redis.get(keys[1] as string), 'new')
})
