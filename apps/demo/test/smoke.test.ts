import t from 'tap'
import { checks } from './smoke/checks.js'
import { MODES, SharedDatabase, startShops } from './smoke/modes.js'

const database = new SharedDatabase()
t.teardown(() => database.stop())

for (const mode of MODES) {
  t.test(`a shop ${mode === 'memory' ? 'in memory' : `on ${mode}, by two processes`}`, async (t) => {
    const shops = await startShops(mode, database)
    for (const { route, sees, run } of checks) await t.test(`${route}: a user sees ${sees}`, () => run(shops))
    await t.resolves(shops.stop(), 'ends within 5 s of Ctrl-C')
  })
}
