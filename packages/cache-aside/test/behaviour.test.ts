import t from 'tap'
import { allSites } from './setup.js'
import { behaves } from './suite.js'

// Two files, so that two cores share the work.
for (const site of (await allSites()).slice(0, 2)) {
  t.test(site.name, { jobs: 4 }, async (t) => behaves(t, site))
}
