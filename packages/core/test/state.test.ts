import { answerState, askState, clientsOf, Gate, type RedisEvent, redisChannel, resolveClient } from '@larder/core'
import { sharedRedis } from '@larder/test-redis'
import fastify from 'fastify'
import t from 'tap'
import { client, Journal } from './setup.js'

t.test('an application is asked for its state, and no other answers', (t) => {
  const [app, other] = [{}, {}]
  const end = answerState(app, () => ({ plugin: 'cache', name: 'a', values: { entries: 1 } }))
  const endOther = answerState(other, () => ({ plugin: 'cache', name: 'b', values: {} }))
  t.strictSame(askState(app), [{ plugin: 'cache', name: 'a', values: { entries: 1 } }])
  end()
  t.strictSame(askState(app), [])
  endOther()
  t.end()
})

t.test('a registration answers with the state of each of its parts', (t) => {
  const app = {}
  const states = ['a', 'b'].map((part) => ({ plugin: 'queues', name: 'x', part, values: { backlog: 1 } }))
  const end = answerState(app, () => states)
  t.strictSame(askState(app), states)
  end()
  t.end()
})

t.test('the clients of an application are known', async (t) => {
  const redis = client(t, await sharedRedis())
  const [app, other] = [fastify(), fastify()]
  t.strictSame([...clientsOf(app.server)], [])
  for (const plugin of ['a', 'b']) resolveClient(app, redis, plugin)
  resolveClient(app, false, 'c')
  t.equal(clientsOf(app.server).size, 1)
  t.ok(clientsOf(app.server).has(redis))
  t.equal(clientsOf(other.server).size, 0)
})

t.test('commands tell how long they took and how they ended, if anybody listens', async (t) => {
  const redis = client(t, await sharedRedis())
  const gate = new Gate(redis, { deadline: 1_000, log: new Journal() })
  t.teardown(() => gate.close())
  await gate.breaker.settled(5_000)
  const events: RedisEvent[] = []
  const listen = (event: unknown) => void events.push(event as RedisEvent)
  const unheard = gate.call('ping', [])
  redisChannel.subscribe(listen)
  t.teardown(() => redisChannel.unsubscribe(listen))
  await unheard
  t.strictSame(events, [], 'nobody listened when it was sent')
  await gate.call('ping', [])
  await t.rejects(gate.call('incrby', ['x', 'no number']))
  t.match(events, [
    { client: redis, type: 'command', outcome: 'ok' },
    { client: redis, type: 'command', outcome: 'refused' },
  ])
  t.ok(events.every((event) => event.type === 'command' && event.milliseconds > 0))
})
