import t from 'tap'
import { groupEnds } from './group-ends.js'
import { groupFailures } from './group-failures.js'
import { groups } from './groups.js'
import { allSites } from './setup.js'
import { streams } from './streams.js'
import { topics } from './topics.js'

for (const site of await allSites()) {
  t.test(site.name, { jobs: 4 }, async (t) => {
    topics(t, site)
    streams(t, site)
    groups(t, site)
    groupFailures(t, site)
    groupEnds(t, site)
  })
}
