import { request } from 'node:http'
import { Readable } from 'node:stream'
import {
  buildApp,
  Catalogue,
  type Database,
  type ImportReport,
  ProductImport,
  type ProductPage,
  readConfig,
} from '@larder/demo'
import { pollUntil } from '@larder/test-redis'
import t from 'tap'

const ADMIN = { authorization: 'Bearer demo-admin', 'content-type': 'application/x-ndjson' }

const { app, database } = await buildApp(readConfig({}))
t.teardown(() => app.close())

const importing = async (payload: string) => {
  const answer = await app.inject({ method: 'POST', url: '/products/import', headers: ADMIN, payload })
  return { status: answer.statusCode, body: answer.json<ImportReport & { message: string; code: string }>() }
}
const line = (name: string) => `${JSON.stringify({ name, price: 1.25, categoryId: 2 })}\n`
const total = async (q: string) => (await app.inject(`/products?q=${q}`)).json<ProductPage>().total

t.test('says what is wrong with which line', async (t) => {
  const lines = [
    'nonsense',
    '[]',
    'null',
    '{"name":"x","price":"1","categoryId":1}',
    '{"name":"x","price":1}',
    '{"name":"x","price":1,"categoryId":41}',
    '{"id":2000000000,"price":1}',
    '{"id":0,"price":1}',
    '{"id":1,"name":"\\u0000"}',
    '{"id":1,"price":2.5}',
  ]
  const { status, body } = await importing(lines.join('\r\n'))
  t.equal(status, 200)
  t.same(
    body.errors.map(({ line, message }) => `${line} ${message}`),
    [
      '1 must be JSON',
      '2 must be a JSON object',
      '3 must be a JSON object',
      '4 price must be number',
      "5 must have required property 'categoryId'",
      '6 categoryId must be the id of a category',
      '7 there is no product 2000000000',
      '8 id must be >= 1',
      '9 name must match pattern "^[^\\u0000]*$"',
    ],
  )
  t.match(body, { created: 0, updated: 1, failed: 9 })
})

t.test('of several changes of one product the last one wins', async (t) => {
  const { body } = await importing('{"id":2,"price":1}\n{"id":2,"stock":9}\n{"id":2,"price":3}')
  t.match(body, { created: 0, updated: 3, failed: 0 })
  t.match((await app.inject('/products/2')).json(), { price: 3, stock: 9 })
})

t.test('refuses a body of which it can take nothing, as other bad input', async (t) => {
  for (const payload of ['', '\n\n', 'nonsense']) {
    const { status, body } = await importing(payload)
    t.equal(status, 400)
    t.match(body, { code: 'SHOP_IMPORT_REJECTED', message: /^Line 1: / })
  }
})

t.test('skips a line that is too long, wherever it ends, and counts on', async (t) => {
  const long = JSON.stringify({ name: 'x'.repeat(300_000), price: 1, categoryId: 1 })
  const lines = [
    line('Endless'),
    `${long}\n`,
    line('Endless'),
    'nonsense\n',
    `${long.slice(0, 70_000)}\n`,
    line('Endless'),
    long,
  ]
  const { body } = await importing(lines.join(''))
  t.match(body, { created: 3, failed: 4 })
  t.same(
    body.errors.map(({ line, message }) => [line, /longer than/.test(message)]),
    [2, 4, 5, 7].map((line) => [line, line !== 4]),
  )
  t.equal(await total('Endless'), 3)
})

t.test('holds a bounded number of lines, however many come and however slow the database is', async (t) => {
  const LINES = 60_000
  let produced = 0
  let stored = 0
  let held = 0
  function* lines() {
    for (; produced < LINES; produced++) yield line(`Bounded ${produced}`)
  }
  const observed: Database = {
    ...database,
    query: (sql, parameters) => database.query(sql, parameters),
    transaction: async (work) => {
      held = Math.max(held, produced - stored)
      const result = await database.transaction(work)
      stored += 500
      return result
    },
  }
  const run = new ProductImport(observed, new Catalogue(database, app.cache, app.tags), () => undefined)
  const report = await run.run(Readable.from(lines()))
  t.match(report, { created: LINES, failed: 0 })
  t.ok(held < 2_000, `held ${held} lines at most`)
})

t.test('a sender that goes away half-way leaves no stale list behind', async (t) => {
  const address = await app.listen({ port: 0, host: '127.0.0.1', listenTextResolver: () => '' })
  t.equal(await total('Halfway'), 0)
  const sender = request(`${address}/products/import`, { method: 'POST', headers: ADMIN })
  sender.on('error', () => {})
  for (let i = 0; i < 700; i++) sender.write(line(`Halfway ${i}`))
  const inDatabase = async () => {
    const { rows } = await database.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM shop.products WHERE name LIKE 'Halfway%'`,
    )
    return rows[0]?.n === 500
  }
  await pollUntil('the first batch', inDatabase)
  sender.destroy()
  await pollUntil('the lists', async () => (await total('Halfway')) >= 500)
})
