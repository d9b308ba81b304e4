import { cpSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { PGlite } from '@electric-sql/pglite'
import { openDatabase, openPglite, Snapshot } from '@larder/demo'
import t from 'tap'
import { PostgresServer } from './smoke/postgres-server.js'

const products = 'SELECT count(*)::int AS n FROM shop.products'

t.test('a damaged snapshot counts as absent and is made anew', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'larder-snapshot-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const snapshot = new Snapshot(folder)
  t.equal(snapshot.read(), undefined, 'none yet')
  snapshot.write(Buffer.alloc(100_000, 'x'))
  const [name = ''] = readdirSync(folder)
  const path = join(folder, name)
  t.equal(snapshot.read()?.length, 100_000)
  truncateSync(path, 60)
  t.equal(snapshot.read(), undefined, 'cut short')

  writeFileSync(path, gzipSync('whole, but no database'))
  const steps = new Set<string>()
  const pglite = await openPglite((step) => steps.add(step), snapshot)
  t.teardown(() => pglite.close())
  t.same((await pglite.query(products)).rows, [{ n: 5_000 }])
  t.ok(steps.has('Loading 5,000 products'))
  cpSync(path, `${path}.old`)

  const again = await openPglite(() => t.fail('nothing to load'), snapshot)
  t.teardown(() => again.close())
  t.same((await again.query(products)).rows, [{ n: 5_000 }])
})

t.test('two shops that start at once on an empty database fill it once', async (t) => {
  const pglite = await PGlite.create()
  t.teardown(() => pglite.close())
  const server = await PostgresServer.start(pglite)
  t.teardown(() => server.stop())
  const databases = await Promise.all([1, 2].map(() => openDatabase(server.url, () => {})))
  const [first, second] = databases
  t.equal(first?.identity, second?.identity, 'one database, one cache')
  for (const database of databases) {
    t.same((await database.query(products)).rows, [{ n: 5_000 }])
    await t.rejects(
      database.transaction(async (transaction) => {
        await transaction.query('DELETE FROM shop.cart_items')
        await transaction.query('DELETE FROM shop.order_items')
        await transaction.query('DELETE FROM shop.products')
        throw new Error('changed my mind')
      }),
      { message: 'changed my mind' },
    )
    t.same((await database.query(products)).rows, [{ n: 5_000 }])
  }
  await Promise.all(databases.map((database) => database.close()))
})
