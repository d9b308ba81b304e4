import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pollUntil } from '@larder/test-redis'
import t from 'tap'
import { client, open, start, take } from './setup.js'

const unhandled: unknown[] = []
process.on('unhandledRejection', (reason) => unhandled.push(reason))

for (const away of [false, true]) {
  const when = away ? 'while Redis is silent' : 'while Redis answers'
  t.test(
    `a signal ends subscriptions and readings ${when}: aborted before, while they begin, and while they wait`,
    async (t) => {
      const server = await start(t)
      const { events } = await open(t, { redis: client(t, server), deadline: 200, heartbeat: 200 })
      const stream = events.stream('orders')
      await stream.add(1)
      const waiting = new AbortController()
      const old = [events.subscribe('orders', { signal: waiting.signal }), stream.read({ signal: waiting.signal })]
      await Promise.all(old.map(({ ready }) => ready))
      const ends = old.map((source) => source.next())
      if (away) await server.pause()
      const open_ = (signal: AbortSignal) => [
        events.subscribe('orders', { signal }),
        stream.read({ signal }),
        stream.read({ after: '0', signal }),
      ]
      for (const source of open_(AbortSignal.abort())) {
        t.equal(source.closed, true)
        t.strictSame(await source.next(), { done: true, value: undefined })
        await source.ready
      }
      const beginning = new AbortController()
      const young = open_(beginning.signal)
      const first = away ? young.map((source) => source.next()) : []
      beginning.abort()
      for (const end of first) t.strictSame(await end, { done: true, value: undefined })
      await Promise.all(young.map(({ ready }) => ready))
      t.ok(young.every(({ closed }) => closed))
      waiting.abort()
      for (const end of ends) t.strictSame(await end, { done: true, value: undefined })
      server.resume()
    },
  )

  t.test(`closing the application ends what is open ${when}`, async (t) => {
    const server = await start(t)
    const { app, events } = await open(t, { redis: client(t, server), deadline: 200, heartbeat: 200 })
    const stream = events.stream('orders')
    app.get('/events', (request, reply) =>
      events.sse(request, reply, ({ lastEventId, signal }) => stream.read({ after: lastEventId, signal })),
    )
    await app.listen({ port: 0 })
    const { port } = app.server.address() as AddressInfo
    const request = get({ port, path: '/events', agent: false })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    const ended = once(response.resume(), 'close')
    const sources = [events.subscribe('orders'), stream.read()]
    await Promise.all(sources.map(({ ready }) => ready))
    const ends = sources.map((source) => source.next())
    const idle = events.subscribe('never read')
    const consumer = stream.consume('mailer', () => {}, { stopTimeout: 200 })
    await stream.add(1)
    await take(stream.read({ after: '0' }), 1)
    if (away) await server.pause()
    const begun = performance.now()
    await app.close()
    t.ok(performance.now() - begun < 5_000)
    for (const end of ends) t.type((await end).done, 'boolean')
    await ended
    t.ok([...sources, idle].every((source) => source.closed))
    t.equal(consumer.held, 0)
    t.strictSame(await events.subscribe('late').next(), { done: true, value: undefined })
    t.strictSame(await stream.read().next(), { done: true, value: undefined })
    server.resume()
    await pollUntil('the connections to be closed', async () => {
      const list = await server.cli<string>('CLIENT', 'LIST')
      return !list.includes('name=larder-')
    })
  })
}

t.test('all this time no rejection was left unhandled', async (t) => {
  t.strictSame(unhandled, [])
})
