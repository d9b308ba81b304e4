import t from 'tap'
import { allSites } from './sites.js'
import { behaves } from './suite.js'

for (const site of await allSites()) {
  t.test(site.name, { jobs: 4 }, async (t) => behaves(t, site))
}
