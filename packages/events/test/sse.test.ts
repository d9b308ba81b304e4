import { once } from 'node:events'
import { Agent, type ClientRequest, get, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { pollUntil, startRedis } from '@larder/test-redis'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { allSites, client, open, type T } from './setup.js'

/** A browser that listens, by hand. */
class Browser {
  text = ''
  ended = false
  readonly #request: ClientRequest
  response: IncomingMessage | undefined

  constructor(url: string, headers: Record<string, string> = {}) {
    this.#request = get(url, { headers, agent: false }, (response) => {
      this.response = response
      response.setEncoding('utf8')
      response.on('data', (text: string) => {
        this.text += text
      })
      response.on('error', () => {})
      response.on('close', () => {
        this.ended = true
      })
    })
    this.#request.on('error', () => {})
  }

  /** Frames of one kind, without comments. */
  get events(): { id?: string; event?: string; data?: unknown }[] {
    return this.text
      .split('\n\n')
      .filter((frame) => /^(id|event|data)/m.test(frame))
      .map((frame) => {
        const fields = Object.fromEntries(frame.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2)))
        return { ...fields, data: JSON.parse(fields.data ?? 'null') }
      })
  }

  close(): void {
    this.#request.destroy()
  }
}

async function listen(t: T, app: FastifyInstance): Promise<string> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => app.close())
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
}

t.setTimeout(120_000)

for (const site of await allSites()) {
  t.test(`${site.name}: a browser hears what comes, and what came while it was away`, async (t) => {
    const { app, events } = await site.open(t)
    const orders = events.stream<{ n: number }>('orders')
    app.addHook('onSend', async (_request, reply) => void reply.header('x-hook', 'ran'))
    app.get('/orders', (request, reply) =>
      events.sse(request, reply, ({ lastEventId, signal }) => orders.read({ after: lastEventId, signal }), {
        event: 'order',
        retry: '2s',
      }),
    )
    const url = `${await listen(t, app)}/orders`
    const first = new Browser(url)
    await pollUntil('the headers', () => first.text.startsWith('retry: 2000\n\n'))
    t.equal(first.response?.headers['content-type'], 'text/event-stream')
    t.equal(first.response?.headers['cache-control'], 'no-cache, no-transform')
    t.equal(first.response?.headers['x-hook'], 'ran')
    let n = 0
    await pollUntil('the first event', async () => {
      if (n === 0 || first.events.length === 0) await orders.add({ n: ++n })
      return first.events.length > 0
    })
    const { id, event, data } = first.events.at(-1) as { id: string; event: string; data: { n: number } }
    t.equal(event, 'order')
    first.close()
    const missed = await orders.add({ n: ++n })
    const second = new Browser(url, { 'last-event-id': id })
    await pollUntil('what was missed', () => second.events.some((one) => one.id === missed))
    t.strictSame(
      second.events.map((one) => (one.data as { n: number }).n),
      Array.from({ length: n - data.n }, (_, i) => data.n + 1 + i),
    )
    const third = new Browser(`${url}?lastEventId=${missed}`)
    const last = await orders.add({ n: ++n })
    for (const browser of [second, third])
      await pollUntil('what comes', () => browser.events.some((one) => one.id === last))
    t.equal(third.events.length, 1)
    const closing = app.close()
    await pollUntil('the end', () => second.ended && third.ended)
    await closing
  })
}

t.test('a browser that was away for too long is told by an event named gap', async (t) => {
  const { app, events } = await open(t, { redis: false })
  const orders = events.stream<number>('orders', { maxLength: 10 })
  app.get('/orders', (request, reply) =>
    events.sse(request, reply, ({ lastEventId, signal }) => orders.read({ after: lastEventId, signal })),
  )
  const url = `${await listen(t, app)}/orders`
  const id = await orders.add(0)
  for (let n = 1; n < 300; n++) await orders.add(n)
  const browser = new Browser(url, { 'last-event-id': id })
  await pollUntil('the events', () => browser.events.at(-1)?.data === 299)
  t.match(browser.events[0], { event: 'gap', data: {} })
  t.equal(browser.events.filter(({ event }) => event === 'gap').length, 1)
  browser.close()
  const nonsense = new Browser(url, { 'last-event-id': 'nonsense' })
  await pollUntil('an answer', () => nonsense.text !== '')
  t.strictSame(nonsense.events, [])
  nonsense.close()
})

t.test('topics can be sent too, with data of one’s own', async (t) => {
  const { app, events } = await open(t, { redis: false })
  app.get('/prices', (request, reply) =>
    events.sse(request, reply, ({ signal }) => events.subscribe<{ price: number }>('prices', { signal }), {
      data: ({ payload }) => ({ text: `${payload.price}\r\n` }),
    }),
  )
  const browser = new Browser(`${await listen(t, app)}/prices`)
  await pollUntil('the price', async () => {
    await events.publish('prices', { price: 5 })
    return browser.events.length > 0
  })
  t.strictSame(browser.events[0], { data: { text: '5\r\n' } })
  browser.close()
  await pollUntil('nobody to listen', async () => (await events.publish('prices', { price: 6 })) === 0)
})

t.test('an application closes at once although a browser that keeps its connection alive listens', async (t) => {
  const { app, events } = await open(t, { redis: false })
  const orders = events.stream('orders')
  app.get('/orders', (request, reply) => events.sse(request, reply, ({ signal }) => orders.read({ signal })))
  const url = `${await listen(t, app)}/orders`
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const request = get(url, { agent })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  t.equal(response.headers.connection, 'keep-alive')
  const ended = once(response.resume(), 'end')
  const closed = app.close().then(() => 'closed')
  await ended
  t.equal(await Promise.race([closed, setTimeout(5_000, 'waits', { ref: false })]), 'closed')
})

t.test('HEAD is answered without opening anything; bad options are refused', async (t) => {
  const { app, events } = await open(t, { redis: false })
  let opened = 0
  app.get('/orders', (request, reply) =>
    events.sse(request, reply, ({ signal }) => {
      opened++
      return events.stream('orders').read({ signal })
    }),
  )
  app.get('/wrong', (request, reply) =>
    events.sse(request, reply, () => events.stream('orders').read(), { event: 'two\nlines' }),
  )
  const head = await app.inject({ method: 'HEAD', url: '/orders' })
  t.equal(head.statusCode, 200)
  t.equal(head.headers['content-type'], 'text/event-stream')
  t.equal(opened, 0)
  t.equal((await app.inject('/wrong')).json().code, 'LARDER_INVALID_OPTION')
})

t.test('silence is filled with comments', async (t) => {
  const { app, events } = await open(t, { redis: false })
  app.get('/orders', (request, reply) =>
    events.sse(request, reply, ({ signal }) => events.stream('orders').read({ signal }), { heartbeat: 20 }),
  )
  const browser = new Browser(`${await listen(t, app)}/orders`)
  await pollUntil('five comments', () => browser.text.split(':\n\n').length > 5)
  t.equal(browser.text.replaceAll(':\n\n', ''), '')
  browser.close()
})

t.test('a client that takes nothing is dropped', async (t) => {
  const { app, events } = await open(t, { redis: false })
  const orders = events.stream<string>('orders')
  let open_ = 0
  app.get('/orders', (request, reply) =>
    events.sse(
      request,
      reply,
      ({ signal }) => {
        open_++
        signal.addEventListener('abort', () => open_--)
        return orders.read({ signal })
      },
      { stallTimeout: 100, heartbeat: 50 },
    ),
  )
  const url = new URL(await listen(t, app))
  const socket = connect(Number(url.port), url.hostname)
  socket.on('error', () => {})
  socket.write('GET /orders HTTP/1.1\r\nHost: x\r\n\r\n')
  socket.pause()
  await pollUntil('the request', () => open_ === 1)
  await pollUntil('it to be dropped', async () => {
    for (let i = 0; i < 50; i++) await orders.add('x'.repeat(10_000))
    return open_ === 0
  })
  socket.destroy()
})

t.test('1,000 browsers hear over one connection to Redis, and 100 of them that take nothing cost little', async (t) => {
  const CLIENTS = 1_000
  const STALLED = 100
  const server = await startRedis()
  t.teardown(() => server.stop())
  const { app, events } = await open(t, { redis: client(t, server) })
  const orders = events.stream<{ n: number; text: string }>('orders', { maxLength: 1_000 })
  const bodies: Readable[] = []
  app.addHook('onSend', async (_request, _reply, payload) => void bodies.push(payload as Readable))
  app.get('/orders', (request, reply) =>
    events.sse(request, reply, ({ lastEventId, signal }) => orders.read({ after: lastEventId, signal })),
  )
  const url = await listen(t, app)
  const answers = new Set<Socket>()
  app.server.on('connection', (socket) => answers.add(socket).size)
  const start = await orders.add({ n: 0, text: '' })
  const heard = new Array<number>(CLIENTS).fill(0)
  const sockets = Array.from({ length: CLIENTS }, (_, i) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.on('error', () => {})
    socket.write(`GET /orders HTTP/1.1\r\nHost: x\r\nLast-Event-ID: ${start}\r\n\r\n`)
    if (i < STALLED) return socket.pause()
    let rest = ''
    socket.on('data', (bytes) => {
      // A number may be cut in two: then it is read when the rest has come.
      const parts = (rest + bytes.toString('latin1')).split('"n":')
      for (const part of parts.slice(1)) heard[i] = Math.max(heard[i] ?? 0, Number(/^(\d+),/.exec(part)?.[1] ?? 0))
      rest = parts.length > 1 ? `"n":${parts.at(-1)?.slice(0, 20)}` : (rest + parts[0]).slice(-20)
    })
    return socket
  })
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  await pollUntil('all to be answered', () => bodies.length === CLIENTS)
  const connections = (await server.cli<string>('CLIENT', 'LIST'))
    .split('\n')
    .filter((line) => line.includes('larder-'))
  t.equal(connections.length, 1)

  let sent = 0
  const send = async (count: number, text: string, hearers: number): Promise<void> => {
    for (const end = sent + count; sent < end; ) await orders.add({ n: ++sent, text })
    await pollUntil('all to hear the last', () => heard.slice(-hearers).every((last) => last === sent), 60_000)
  }
  await send(60, 'x'.repeat(1_000), CLIENTS - STALLED)
  // The kernel takes some hundred kilobytes for each: to see what the process keeps there must be more, for fewer.
  for (const socket of sockets.slice(STALLED, -50)) socket.destroy()
  await send(process.env.LARDER_NIGHTLY ? 2_000 : 200, 'x'.repeat(20_000), 50)
  const stuck = bodies.filter(({ destroyed, readableLength }) => !destroyed && readableLength > 0)
  t.equal(stuck.length, STALLED, 'each that takes nothing is held up')
  let kept = 0
  for (const { readableLength } of stuck) kept += readableLength
  for (const { writableLength } of answers) kept += writableLength
  const owed = (sent - 60) * 20
  t.comment(`${Math.round(kept / STALLED / 1_024)} kB are kept for each of ${STALLED} that are owed ${owed} kB`)
  t.ok(kept / STALLED < 100 * 1_024)
  for (const socket of sockets) socket.destroy()
})
