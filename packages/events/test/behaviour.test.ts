import t from 'tap'
import { groups } from './groups.js'
import { allSites } from './setup.js'
import { streams } from './streams.js'
import { topics } from './topics.js'

for (const site of await allSites()) {
  t.test(site.name, { jobs: 4 }, async (t) => {
    topics(t, site)
    streams(t, site)
    groups(t, site)
  })
}
