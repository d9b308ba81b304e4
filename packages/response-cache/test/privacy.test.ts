import sessions from '@larder/sessions'
import fc from 'fast-check'
import t from 'tap'
import { ask, open } from './setup.js'

const USERS = ['alice', 'bob'] as const
type User = (typeof USERS)[number]

t.test('no byte of one user reaches the other, whatever tells them apart and whatever the answer says', async (t) => {
  // What the handler says of its answer; `public` and `s-maxage` would tell caches to share it (RFC 9111 section 3.5).
  const directives = fc.constantFrom(
    '',
    'max-age=60',
    'private, max-age=60',
    'max-age=60, no-cache="set-cookie"',
    'no-cache',
    'no-store',
    'max-age=0, stale-while-revalidate=60',
    'max-age=60, private="x-user"',
  )
  const { url } = await open(t, {
    routes: (app) => {
      const own: (request: { headers: Record<string, unknown> }) => string = ({ headers }) =>
        String(headers.authorization ?? headers.cookie ?? 'anonymous').replace(/.*[ =]/, '')
      const handler = async (request: never, reply: never): Promise<unknown> => {
        const { query, headers } = request as { query: Record<string, string>; headers: Record<string, unknown> }
        const { header } = reply as { header(name: string, value: string): unknown }
        const set = header.bind(reply)
        if (query.cc) set('cache-control', query.cc)
        if (query.vary) set('vary', query.vary)
        if (query.set) set('set-cookie', `user=${own({ headers })}`)
        set('x-user', own({ headers }))
        return { secret: `of ${own({ headers })}` }
      }
      app.get('/ttl', { config: { responseCache: { ttl: '1m', staleIfError: '1m' } } }, handler as never)
      app.get('/bare', { config: { responseCache: true } }, handler as never)
      const byUser = (request: { headers: Record<string, unknown> }): string | undefined =>
        own(request) === 'anonymous' ? undefined : own(request)
      app.get('/own', { config: { responseCache: { ttl: '1m', private: byUser } } }, handler as never)
    },
  })
  let run = 0
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        path: fc.constantFrom('/ttl', '/bare', '/own'),
        cc: directives,
        vary: fc.constantFrom('', 'cookie', 'authorization', 'accept', 'cookie, authorization'),
        set: fc.constantFrom('', '1'),
        asks: fc.array(
          fc.record({ user: fc.constantFrom(...USERS), by: fc.constantFrom('cookie', 'authorization', 'both') }),
          {
            minLength: 2,
            maxLength: 6,
          },
        ),
        together: fc.boolean(),
      }),
      async ({ path, cc, vary, set, asks, together }) => {
        const query = new URLSearchParams({ run: String(++run), cc, vary, set })
        const one = async ({ user, by }: { user: User; by: string }): Promise<boolean> => {
          const headers = {
            ...(by === 'authorization' ? {} : { cookie: `user=${user}` }),
            ...(by === 'cookie' ? {} : { authorization: `Bearer ${user}` }),
          }
          const answer = await ask(`${url}${path}?${query}`, { headers })
          const other = user === 'alice' ? 'bob' : 'alice'
          return answer.body.includes(`of ${user}`) && !JSON.stringify([answer.headers, answer.body]).includes(other)
        }
        if (together) return (await Promise.all(asks.map(one))).every(Boolean)
        for (const given of asks) if (!(await one(given))) return false
        return true
      },
    ),
    { numRuns: process.env.LARDER_NIGHTLY ? 3_000 : 150 },
  )
})

t.test('what a cookie does not change may be kept: where the route says so, or the answer', async (t) => {
  const { url } = await open(t, {
    routes: (app) => {
      app.get('/personal', { config: { responseCache: { ttl: '1m' } } }, async () => 'x')
      app.get('/ignored', { config: { responseCache: { ttl: '1m', cookies: 'ignore' } } }, async () => 'x')
      app.get('/public', { config: { responseCache: true } }, async (_request, reply) =>
        reply.header('cache-control', 'public, max-age=60').send('x'),
      )
    },
  })
  const second = async (path: string): Promise<string> => {
    await ask(url + path, { headers: { cookie: 'theme=dark' } })
    return (await ask(url + path, { headers: { cookie: 'theme=dark' } })).cache
  }
  t.notMatch(await second('/personal'), /hit/)
  t.match(await second('/ignored'), /hit/)
  t.match(await second('/public'), /hit/)
})

t.test('what answers a session is kept for nobody, and a session is not answered from what is kept', async (t) => {
  const { url } = await open(t, {
    before: (app) =>
      app.register(sessions, {
        redis: false,
        secret: 'a secret that is long enough, really',
        cookie: { secure: false },
      }),
    routes: (app) => {
      app.post('/login/:user', async (request) => {
        await request.login((request.params as { user: string }).user)
        return 'in'
      })
      app.get(
        '/page',
        { config: { responseCache: { ttl: '1m', cookies: 'ignore' } } },
        async (request) => `page of ${request.session.userId}`,
      )
      app.get('/shared', { config: { responseCache: true } }, async (_request, reply) =>
        reply.header('cache-control', 'public, max-age=60').send('everybody’s'),
      )
    },
  })
  const login = async (user: string): Promise<string> => {
    const { headers } = await ask(`${url}/login/${user}`, { method: 'POST' })
    const [cookie = ''] = headers['set-cookie'] ?? []
    return cookie.split(';')[0] as string
  }
  const [alice, bob] = [await login('alice'), await login('bob')]
  for (const [cookie, body] of [
    [alice, 'page of alice'],
    [bob, 'page of bob'],
    ['', 'page of undefined'],
    [alice, 'page of alice'],
    [bob, 'page of bob'],
  ] as const) {
    t.equal((await ask(`${url}/page`, { headers: cookie ? { cookie } : {} })).body, body)
  }
  await ask(`${url}/shared`, { headers: { cookie: alice } })
  t.match((await ask(`${url}/shared`, { headers: { cookie: bob } })).cache, /hit/)
})

t.test('with `private` each user has pages of his own, also where they say `private`', async (t) => {
  let handled = 0
  const { url } = await open(t, {
    routes: (app) =>
      app.get(
        '/',
        { config: { responseCache: { private: ({ headers }) => headers.authorization?.slice(7) } } },
        async ({ headers }, reply) => {
          handled++
          return reply.header('cache-control', 'private, max-age=60').send(`for ${headers.authorization}`)
        },
      ),
  })
  const as = (user: string) => ask(url, { headers: { authorization: `Bearer ${user}` } })
  t.equal((await as('alice')).body, 'for Bearer alice')
  t.equal((await as('bob')).body, 'for Bearer bob')
  t.match((await as('alice')).cache, /hit/)
  t.match((await as('bob')).body, 'for Bearer bob')
  t.equal(handled, 2)
  t.equal((await ask(url)).body, 'for undefined')
})

t.test('guards run before a hit, in whatever hook of the route', async (t) => {
  let handled = 0
  const guard = async (
    { headers }: { headers: Record<string, unknown> },
    reply: { code(status: number): { send(body: string): unknown } },
  ) => {
    if (headers['x-key'] !== 'right') return reply.code(403).send('no')
  }
  const { url } = await open(t, {
    routes: (app) => {
      for (const hook of ['onRequest', 'preValidation', 'preHandler'])
        app.get(
          `/${hook}`,
          { [hook]: guard, config: { responseCache: { ttl: '1m' } } } as never,
          async () => `secret ${++handled}`,
        )
    },
  })
  for (const hook of ['onRequest', 'preValidation', 'preHandler']) {
    t.equal((await ask(`${url}/${hook}`, { headers: { 'x-key': 'right' } })).status, 200)
    t.equal((await ask(`${url}/${hook}`)).status, 403, hook)
    t.match((await ask(`${url}/${hook}`, { headers: { 'x-key': 'right' } })).cache, /hit/)
  }
})
