import { pollUntil } from '@larder/test-redis'
import type { Test } from 'tap'
import { Gate, type Site } from '../setup.js'

/** Wrapped functions. */
export function wrapping(t: Test, site: Site): void {
  type Product = { id: number; category: number; call: number }

  t.test('a wrapped function is called once for the same arguments', async (t) => {
    const { cache } = await site.open(t)
    let calls = 0
    const get = cache.wrap('product', (id: number, options: { full: boolean; at?: string }) => [
      id,
      options.full,
      ++calls,
    ])
    t.strictSame(await get(1, { full: true }), [1, true, 1])
    t.strictSame(await get(1, { full: true }), [1, true, 1])
    t.strictSame(await get(1, { full: false }), [1, false, 2])
    t.strictSame(await get(2, { full: true, at: 'x' }), [2, true, 3])
    t.strictSame(await get(2, { at: 'x', full: true }), [2, true, 3])
    const none = cache.wrap('none', () => ++calls)
    t.equal(await none(), 4)
    t.equal(await none(), 4)
    const other = cache.wrap('product:1', () => 'other')
    t.equal(await (other as unknown as (...args: unknown[]) => Promise<string>)({ full: true }), 'other')
  })

  t.test('wrap has many, invalidate, refresh, peek and key', async (t) => {
    const { cache } = await site.open(t)
    let call = 0
    const load = (id: number): Product => ({ id, category: id % 2, call: ++call })
    const get = cache.wrap('product', load, { ttl: '10m', key: (id) => id })
    t.equal((await get(42)).call, 1)
    t.strictSame(get.key(42), ['product', 42])
    t.equal((await cache.get<Product>(get.key(42)))?.call, 1)
    t.equal((await cache.get<Product>('product:42'))?.call, 1)
    t.strictSame(
      (await get.many([[1], [42], [1], [2]])).map(({ id, call }) => [id, call]),
      [
        [1, 2],
        [42, 1],
        [1, 2],
        [2, 3],
      ],
    )
    await get.invalidate(42)
    t.equal(get.peek(42), undefined)
    t.equal((await get(42)).call, 4)
    t.equal((await get.refresh(42)).call, 5)
    t.equal((await get(42)).call, 5)
    await pollUntil('a copy', async () => (await get(42)) === get.peek(42) || !site.memory)
    t.equal(get.peek(42)?.call, site.memory ? 5 : undefined)
    t.ok((await cache.entry('product:42')).ttl > 500_000)
    t.equal(get.peek(7), undefined)
  })

  t.test('wrap loads many by loadMany where it has one', async (t) => {
    const { cache } = await site.open(t)
    const batches: number[][][] = []
    const get = cache.wrap('square', (n: number) => n * n, {
      loadMany: (args) => {
        batches.push(args)
        return args.map(([n]) => n * n)
      },
    })
    t.strictSame(await get.many([[2], [3], [2]]), [4, 9, 4])
    t.equal(await get(4), 16)
    t.strictSame(await get.many([[4], [5]]), [16, 25])
    t.strictSame(batches, [[[2], [3]], [[5]]])
  })

  t.test('the tags of a wrapped function are told from value and arguments', async (t) => {
    const { cache, invalidateTags } = await site.open(t)
    let call = 0
    const get = cache.wrap('product', (id: number): Product => ({ id, category: 7, call: ++call }), {
      tags: (product, [id]) => ['products', `category:${product.category}`, `id:${id}`],
    })
    await get(1)
    await get.many([[2], [3]])
    t.strictSame([...(await cache.entry(get.key(1))).tags].sort(), ['category:7', 'id:1', 'products'])
    t.strictSame([...(await cache.entry(get.key(3))).tags].sort(), ['category:7', 'id:3', 'products'])
    await invalidateTags('id:2')
    t.strictSame(
      (await get.many([[1], [2], [3]])).map((product) => product.call),
      [1, 4, 3],
    )
    const fixed = cache.wrap('fixed', () => ++call, { tags: ['products'] })
    t.equal(await fixed(), 5)
    await invalidateTags('products')
    t.equal(await fixed(), 6)
    t.equal((await get(1)).call, 7)
  })

  t.test('the version of a wrapped function is a part of its key', async (t) => {
    const { cache } = await site.open(t)
    const [one, two] = [cache.wrap('f', () => 1, { version: '1' }), cache.wrap('f', () => 2, { version: '2' })]
    const plain = cache.wrap('f', () => 0)
    t.strictSame([await one(), await two(), await plain()], [1, 2, 0])
    t.strictSame([await one(), await two(), await plain()], [1, 2, 0])
  })

  t.test('the schema of a wrapped function checks what was cached', async (t) => {
    const { cache } = await site.open(t)
    const schema = {
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate: (value: unknown) =>
          typeof value === 'number' ? { value } : { issues: [{ message: 'not a number' }] },
      },
    }
    const old = cache.wrap('f', (): unknown => 'one')
    await old()
    let calls = 0
    const get = cache.wrap('f', () => ++calls, { schema })
    t.equal(await get(), 1)
    t.equal(await get(), 1)
    t.strictSame(await get.many([[]]), [1])
    t.equal(calls, 1)
  })

  t.test('concurrent calls of a wrapped function share one load, and its error', async (t) => {
    const { cache } = await site.open(t)
    const gate = new Gate<string>()
    const get = cache.wrap('f', (_id: number) => gate.load())
    const answers: Promise<unknown>[] = [get(1), get(1), get.many([[1]])]
    await gate.begun()
    const error = new Error('no')
    gate.fail(error)
    for (const answer of answers) await t.rejects(answer, error)
    t.equal(gate.calls, 1)
    const child = cache.namespace('child').wrap('f', (_id: number) => 'of the child')
    t.equal(await child(1), 'of the child')
    t.equal(await cache.get('child:f:1'), 'of the child')
  })
}
