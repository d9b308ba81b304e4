import { channel } from 'node:diagnostics_channel'
import { buildApp, openPglite, type Product, type ProductPage, readConfig } from '@larder/demo'
import { pollUntil, startRedis } from '@larder/test-redis'
import t, { type Test } from 'tap'
import { ShopClient } from './smoke/client.js'
import { PostgresServer } from './smoke/postgres-server.js'
import { ShopProcess } from './smoke/shop-process.js'

const ADMIN = { authorization: 'Bearer demo-admin' }

const pglite = await openPglite()
const postgres = await PostgresServer.start(pglite)
const redis = await startRedis()
const environment = { REDIS_URL: redis.url, DATABASE_URL: postgres.url, LOG_LEVEL: 'silent' }
// Two processes of one shop: this one, and another.
const { app } = await buildApp(readConfig(environment))
const shop = new ShopProcess(environment)
const there = new ShopClient(await shop.address())
t.teardown(async () => {
  await shop.stop()
  await app.close()
  await postgres.stop()
  await pglite.close()
  await redis.stop()
})

const here = async <T>(path: string): Promise<T> => (await app.inject(path)).json<T>()
const elsewhere = async <T>(path: string): Promise<T> => (await there.get<T>(path)).body

type Read = <T>(path: string) => Promise<T>

/** What a page says that the product is called: its own page, or a list. */
async function nameOn(read: Read, path: string, id: number): Promise<string | undefined> {
  const page = await read<Product | ProductPage>(path)
  return 'items' in page ? page.items.find((one) => one.id === id)?.name : page.name
}

/** All pages that show a product, each read often enough for both processes to have copies. */
async function pagesOf(id: number, categoryId: number): Promise<string[]> {
  const lists = [
    '/products?sort=-price',
    `/products?category=${categoryId}&sort=-price`,
    '/products?q=freshly&sort=-price',
  ]
  const pages = [`/products/${id}`, ...lists]
  for (let round = 0; round < 3; round++)
    for (const page of pages) for (const read of [here, elsewhere]) await read(page)
  return pages
}

async function shows(t: Test, read: Read, pages: readonly string[], id: number, name: string): Promise<void> {
  for (const page of pages) t.equal(await nameOn(read, page, id), name, page)
}

async function make(): Promise<Product> {
  const payload = { name: 'Freshly baked 0', price: 99_999, categoryId: 3 }
  return (await app.inject({ method: 'POST', url: '/products', headers: ADMIN, payload })).json<Product>()
}

t.test('a change of a product refreshes every page that shows it, in both processes', async (t) => {
  const { id } = await make()
  for (let round = 1; round <= 5; round++) {
    const pages = await pagesOf(id, 3)
    const name = `Freshly baked ${round}`
    // Once by this process, once by the other.
    if (round % 2) await app.inject({ method: 'PUT', url: `/products/${id}`, headers: ADMIN, payload: { name } })
    else await there.change('PUT', `/products/${id}`, { name })
    await shows(t, round % 2 ? here : elsewhere, pages, id, name)
    const started = performance.now()
    const other = round % 2 ? elsewhere : here
    await pollUntil('the other process to show it', async () => {
      const names = await Promise.all(pages.map((page) => nameOn(other, page, id)))
      return names.every((one) => one === name)
    })
    t.ok(performance.now() - started < 2_000, 'within the heartbeat')
  }
})

t.test(
  'a product that changes its category leaves the lists of the old one, and is on those of the new one',
  async (t) => {
    const { id } = await make()
    await pagesOf(id, 3)
    await pagesOf(id, 4)
    await there.change('PUT', `/products/${id}`, { categoryId: 4 })
    const [old, current] = ['/products?category=3&sort=-price', '/products?category=4&sort=-price']
    t.equal(await nameOn(elsewhere, old, id), undefined)
    t.equal(await nameOn(elsewhere, current, id), 'Freshly baked 0')
    await pollUntil('the other process', async () => (await nameOn(here, old, id)) === undefined)
    t.equal(await nameOn(here, current, id), 'Freshly baked 0')
  },
)

t.test('an import of a thousand products is one invalidation, that both processes hear', async (t) => {
  const { id } = await make()
  const pages = await pagesOf(id, 3)
  const events: { tags: number; soft: boolean }[] = []
  const told = (event: unknown): void => void events.push(event as { tags: number; soft: boolean })
  channel('larder:tags').subscribe(told)
  t.teardown(() => channel('larder:tags').unsubscribe(told))
  const lines = Array.from({ length: 1_000 }, () => JSON.stringify({ name: 'Imported', price: 1, categoryId: 3 }))
  lines.push(JSON.stringify({ id, name: 'Freshly imported' }))
  const headers = { ...ADMIN, 'content-type': 'application/x-ndjson' }
  const report = await app.inject({ method: 'POST', url: '/products/import', headers, payload: lines.join('\n') })
  t.match(report.json(), { created: 1_000, updated: 1 })
  t.strictSame(
    events.map(({ tags, soft }) => ({ tags, soft })),
    [{ tags: 1, soft: false }],
  )
  await shows(t, here, pages, id, 'Freshly imported')
  await pollUntil('the other process', async () => {
    const names = await Promise.all(pages.map((page) => nameOn(elsewhere, page, id)))
    return names.every((name) => name === 'Freshly imported')
  })
})
