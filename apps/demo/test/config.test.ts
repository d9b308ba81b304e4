import { readConfig, StartError } from '@larder/demo'
import t from 'tap'

t.test('an empty environment means the documented defaults', async (t) => {
  const defaults = {
    port: 3000,
    host: '127.0.0.1',
    redis: [],
    database: undefined,
    adminToken: 'demo-admin',
    sessionSecrets: [],
    logLevel: 'warn',
  }
  t.same(readConfig({}), defaults)
  t.same(
    readConfig({
      PORT: '',
      HOST: '',
      REDIS_URL: '',
      DATABASE_URL: '',
      ADMIN_TOKEN: '',
      SESSION_SECRET: '',
      LOG_LEVEL: '',
    }),
    defaults,
  )
})

t.test('several addresses of Redis are the nodes of a Cluster', async (t) => {
  t.same(readConfig({ REDIS_URL: 'redis://a:1, rediss://b:2,' }).redis, ['redis://a:1', 'rediss://b:2'])
})

t.test('several secrets sign and accept sessions, the newest first', async (t) => {
  const [newest, oldest] = ['n'.repeat(32), 'o'.repeat(32)]
  t.same(readConfig({ SESSION_SECRET: `${newest}, ${oldest}` }).sessionSecrets, [newest, oldest])
})

t.test('a bad value is refused by the name of its variable, and no password is told', async (t) => {
  const bad: Record<string, string[]> = {
    PORT: ['abc', '-1', '65536', '3.5'],
    REDIS_URL: ['localhost', 'http://localhost', 'redis://a:1,b:2', 'redis://'],
    DATABASE_URL: ['shop', 'mysql://localhost/shop'],
    LOG_LEVEL: ['loud'],
    SESSION_SECRET: ['short', `${'x'.repeat(32)},short`],
  }
  for (const [variable, values] of Object.entries(bad))
    for (const value of values)
      t.throws(
        () => readConfig({ [variable]: value }),
        { constructor: StartError, message: new RegExp(variable) },
        value,
      )
  t.throws(() => readConfig({ SESSION_SECRET: 'secret' }), { message: /^SESSION_SECRET(?!.*secret)/ })
  t.throws(() => readConfig({ REDIS_URL: 'http://user:secret@host' }), { message: /^(?!.*secret)/ })
})
