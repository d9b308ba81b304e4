import t from 'tap'
import { SharedDatabase, startShops } from './smoke/modes.js'

const RESULTS = ['hit', 'stale', 'miss', 'coalesced', 'bypass', 'error']
/** Reads of products by one process. */
const READS = 1_500

const database = new SharedDatabase()
t.teardown(() => database.stop())

t.test('under load from two processes every call of the cache is counted once, exactly', async (t) => {
  const shops = await startShops('one Redis', database)
  t.teardown(() => shops.stop())
  const scrape = async (shop: typeof shops.a) => {
    const { body } = await shop.get<string>('/metrics')
    const lines = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    const count = (result: string) => {
      const line = lines.find((line) => line.startsWith(`cache_requests_total{cache="shop",result="${result}"}`))
      return Number(line?.split(' ').at(-1))
    }
    return { series: lines.length, counts: RESULTS.map(count) }
  }
  const total = ({ counts }: { counts: number[] }) => counts.reduce((sum, count) => sum + count, 0)
  const both = [shops.a, shops.b]
  // The first read of each kind makes its series.
  for (const shop of both) await shop.get('/products/1')
  const before = await Promise.all(both.map(scrape))
  const read = async (shop: typeof shops.a, from: number) => {
    for (let i = from; i < READS; i += 10) {
      // Both processes ask for the same new keys at once, then for them again; some are changed meanwhile.
      await shop.get(`/products/${2 + Math.floor(i / 3)}`)
      if (i % 100 === 0) await shop.change('PUT', `/products/${2 + Math.floor(i / 3)}`, { price: i + 1 })
    }
  }
  await Promise.all(both.flatMap((shop) => Array.from({ length: 10 }, (_, from) => read(shop, from))))
  const after = await Promise.all(both.map(scrape))
  for (const [i, shop] of after.entries()) {
    t.equal(total(shop) - total(before[i]!), READS, `process ${i}: ${RESULTS} ${shop.counts}`)
    t.equal(shop.series, before[i]!.series, 'as many series as before, whatever keys there are')
    t.ok(shop.counts[0]! > 0 && shop.counts[2]! > 0)
  }
})
