import { pollUntil } from '@larder/test-redis'
import type { Test } from 'tap'
import type { Site } from './setup.js'

/** How consumers of groups end, wherever events go. */
export function groupEnds(t: Test, site: Site): void {
  t.test('stopping waits for the handlers under way, and gives back what has not begun', async (t) => {
    const one = await site.open(t)
    const other = await site.peer(t, one)
    const stream = one.events.stream<number>('orders')
    let release = (): void => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const mine: number[] = []
    const consumer = stream.consume(
      'mailer',
      async ({ payload }) => {
        if (payload === 1) throw new Error('later')
        await gate
        mine.push(payload)
      },
      { concurrency: 3, backoff: { first: '1h', longest: '1h' } },
    )
    for (let n = 0; n < 3; n++) await stream.add(n)
    await pollUntil('all to be held', () => consumer.held === 3)
    let stopped = false
    const stopping = consumer.stop().then(() => {
      stopped = true
    })
    await stream.add(3)
    t.equal(stopped, false)
    release()
    await stopping
    t.strictSame(mine, [0, 2])
    const theirs: [number, number][] = []
    other.events.stream<number>('orders').consume('mailer', ({ payload, attempt }) => {
      theirs.push([payload, attempt])
    })
    await pollUntil('the rest', () => theirs.length === 2)
    t.strictSame(theirs.sort(), [
      [1, 2],
      [3, 1],
    ])
  })

  t.test('a handler that does not end in time is told, and another consumer has its entry at once', async (t) => {
    const one = await site.open(t)
    const other = await site.peer(t, one)
    const stream = one.events.stream<number>('orders')
    await stream.add(1)
    let reason: unknown
    const consumer = stream.consume(
      'mailer',
      ({ signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            reason = signal.reason
            resolve(undefined)
          })
        }),
      { stopTimeout: 20 },
    )
    await pollUntil('it to be held', () => consumer.held === 1)
    const attempts: number[] = []
    await consumer.stop()
    t.match(reason, { message: /stopped/ })
    other.events.stream('orders').consume('mailer', ({ attempt }) => void attempts.push(attempt))
    await pollUntil(
      'it, unless it was acknowledged after all',
      async () => attempts.length === 1 || consumer.held === 0,
    )
  })

  t.test('closing the application waits for handlers under way', async (t) => {
    const { app, events } = await site.open(t)
    const stream = events.stream<number>('orders')
    let release = (): void => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    let done = false
    const consumer = stream.consume('mailer', async () => {
      await gate
      done = true
    })
    await stream.add(1)
    await pollUntil('it to be held', () => consumer.held === 1)
    const closing = app.close()
    setImmediate(release)
    await closing
    t.equal(done, true)
    t.equal(consumer.held, 0)
  })
}
