import { encodeTag, namespaceTag } from '@larder/core'
import { pollUntil, start, uniqueNamespace } from '@larder/test-redis'
import t, { type Test } from 'tap'
import { client, Ear, Journal, namespaceOf, trusted } from './setup.js'

/** A user of the server with these rights. */
async function user(t: Test, ...rules: string[]) {
  const server = await start(t)
  await server.cli('ACL', 'SETUSER', 'larder', 'on', '>secret', '~*', '&*', '+@all', ...rules)
  const redis = (): ReturnType<typeof client> => client(t, server, { username: 'larder', password: 'secret' })
  return { server, redis }
}

for (const rules of [['-client|tracking'], ['-client'], ['-@dangerous', '+info', '-client|tracking']]) {
  t.test(`where tracking is refused (${rules.join(' ')}) processes tell each other`, async (t) => {
    const { server, redis } = await user(t, ...rules)
    const name = uniqueNamespace()
    const [one, two] = [namespaceOf(t, redis(), {}, name), namespaceOf(t, redis(), {}, name)]
    const ear = Ear.of(t, two)
    await trusted(one)
    await trusted(two)
    t.equal(one.feed.channel, 'larder:feed')
    await one.remove('key')
    await ear.until('key')
    const tag = encodeTag('tag')
    const epoch = await two.epochs.ensure([tag, namespaceTag('')], 1_000)
    t.equal(two.epochs.verdict([tag], epoch), 'fresh')
    await one.invalidate([tag], 'hard')
    await pollUntil('the tag', async () => two.epochs.verdict([tag], epoch) !== 'fresh')
    t.equal(await two.epochs.check([tag], epoch), 'invalid')
    ear.events.length = 0
    await server.cli('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await ear.until('distrusted')
    await ear.until('all')
    await trusted(one)
    await trusted(two)
    await one.remove('again')
    await ear.until('again')
  })
}

t.test('where neither tracking nor pub/sub is allowed nothing is trusted, and nothing else fails', async (t) => {
  const { redis } = await user(t, 'resetchannels', '-client|tracking')
  const log = new Journal()
  const namespace = namespaceOf(t, redis(), { heartbeat: 200, log })
  await pollUntil('a word of it', () => log.warnings.some((line) => line.includes('refuses to tell of changes')))
  await namespace.settled(300)
  t.equal(namespace.gate?.up, true)
  t.equal(namespace.trusted(), false)
  const tag = encodeTag('tag')
  const epoch = await namespace.epochs.ensure([tag], 1_000)
  t.equal(await namespace.epochs.check([tag], epoch), 'fresh')
  await namespace.invalidate([tag], 'hard')
  t.equal(await namespace.epochs.check([tag], epoch), 'invalid')
  await namespace.remove('key')
  t.equal(namespace.outbox?.pending, 0)
  t.equal(namespace.gate?.up, true)
})
