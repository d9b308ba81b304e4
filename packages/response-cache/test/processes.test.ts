import { sharedRedis, startWorker, uniqueNamespace } from '@larder/test-redis'
import t from 'tap'
import { ask } from './setup.js'
import type { Methods } from './workers/page.js'

t.test('50 requests at once for a page that is not there, over two processes: one run of the handler', async (t) => {
  const { port } = await sharedRedis()
  const env = { SETUP: JSON.stringify({ port, namespace: uniqueNamespace() }) }
  const file = new URL('./workers/page.js', import.meta.url)
  const workers = await Promise.all([1, 2].map(() => startWorker<Methods>(file, { env })))
  t.teardown(() => Promise.all(workers.map((worker) => worker.stop())))
  const urls = await Promise.all(workers.map((worker) => worker.call('url')))
  let before = 0
  for (const page of ['plain', 'other', 'vary']) {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(`${urls[i % 2]}/${page}`)))
    const handled = await Promise.all(workers.map((worker) => worker.call('handled')))
    const runs = handled.reduce((sum, one) => sum + one, 0)
    t.equal(runs - before, 1, page)
    before = runs
    t.equal(new Set(answers.map(({ body }) => body)).size, 1)
    t.ok(answers.every(({ status }) => status === 200))
    for (const url of urls) t.match((await ask(`${url}/${page}`)).cache, /; hit/)
  }
})
