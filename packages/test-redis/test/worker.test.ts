import { startWorker } from '@larder/test-redis'
import t from 'tap'
import type { Methods } from './worker.js'

const FILE = new URL('./worker.js', import.meta.url)

t.test('a worker answers calls', async (t) => {
  const worker = await startWorker<Methods>(FILE, { env: { LARDER_WORD: 'plum' } })
  t.teardown(() => worker.stop())
  t.not(worker.pid, process.pid)
  t.equal(await worker.call('add', 1, 2), 3)
  t.equal(await worker.call('env', 'LARDER_WORD'), 'plum')
  const rich = { map: new Map([[1, new Date(5)]]), bytes: new Uint8Array([1, 2]), missing: undefined, big: 5n }
  t.strictSame(await worker.call('echo', rich), rich)
  const failure: Error = await worker.call('fail', 'NO_LUCK').catch((error) => error)
  t.match(failure, { name: 'TypeError', message: 'no luck', code: 'NO_LUCK', cause: { message: 'why' } })
  t.match(failure.stack, /worker\.(js|ts)/)
  await t.rejects(
    worker.call('echo', () => {}),
    /could not be cloned/,
  )
})

t.test('a worker tells what it is at', async (t) => {
  const worker = await startWorker<Methods>(FILE)
  const early = worker.next('told')
  await worker.call('tell', 1)
  t.equal(await early, 1)
  await worker.call('tell', 2)
  t.equal(await worker.next('told'), 2)
  const last = worker.next('stopping')
  await worker.stop()
  await t.resolves(last)
  await t.rejects(worker.call('add', 1, 1), /was ended/)
  await t.rejects(worker.next('told'), /was ended/)
})

t.test('a killed worker rejects its calls, and that is no crash', async (t) => {
  const worker = await startWorker<Methods>(FILE)
  const hanging = worker.call('hang')
  await worker.kill()
  await t.rejects(hanging, /was ended/)
  await t.resolves(worker.stop())
})

t.test('a suspended worker answers when it is resumed', async (t) => {
  const worker = await startWorker<Methods>(FILE)
  t.teardown(() => worker.stop())
  await worker.pause()
  const answer = worker.call('add', 1, 2)
  const first = await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 50, 'silence'))])
  t.equal(first, 'silence')
  worker.resume()
  t.equal(await answer, 3)
})

t.test('a suspended worker can be stopped', async () => {
  const worker = await startWorker<Methods>(FILE)
  await worker.pause()
  await worker.stop()
})

t.test('an unhandled rejection in a worker comes to light in the test', async (t) => {
  const worker = await startWorker<Methods>(FILE)
  const hanging = worker.call('hang')
  await worker.call('reject').catch(() => {})
  await t.rejects(hanging, { name: 'RangeError', message: 'left alone' })
  await t.rejects(worker.stop(), { name: 'RangeError', message: 'left alone' })
})

t.test('a worker that ends by itself comes to light in the test', async (t) => {
  const worker = await startWorker<Methods>(FILE)
  await t.rejects(worker.call('exit', 3), /ended by itself with code 3/)
  await t.rejects(worker.stop(), /ended by itself with code 3/)
})

t.test('a worker that cannot start says why', async (t) => {
  await t.rejects(startWorker(new URL('./absent.js', import.meta.url)), /Cannot find module/)
})
