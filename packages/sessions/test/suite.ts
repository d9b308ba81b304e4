import type { SessionInfo } from '@larder/sessions'
import type { Test } from 'tap'
import { Browser, type Opened, SECRET, type Site } from './setup.js'

const HOUR = 3_600_000
const MINUTE = 60_000

/** What sessions do wherever they are kept. */
export function behaves(t: Test, site: Site): void {
  fields(t, site)
  logins(t, site)
  resurrections(t, site)
  rotations(t, site)
  cookies(t, site)
  timeouts(t, site)
  devices(t, site)
  atRest(t, site)
  methods(t, site)
}

/** A browser that is logged in. */
async function loggedIn(opened: Opened, user: string, headers: Record<string, string> = {}): Promise<Browser> {
  const browser = new Browser(opened)
  await browser.post(`/login/${user}`, {}, headers)
  return browser
}

function fields(t: Test, site: Site): void {
  t.test('a session that nobody wrote to is not stored and sends no cookie', async (t) => {
    const opened = await site.open(t)
    const browser = new Browser(opened)
    t.equal((await browser.get('/')).setCookie, undefined)
    t.equal(browser.cookie, undefined)
    t.equal(await site.dump(opened), '')
  })

  t.test('with saveUninitialized it is', async (t) => {
    const browser = new Browser(await site.open(t, { saveUninitialized: true }))
    t.ok((await browser.get('/')).setCookie)
    const { body } = await browser.get('/id')
    t.equal((await browser.get('/id')).body, body)
  })

  t.test('fields come back as JSON keeps them, in another process too', async (t) => {
    const opened = await site.open(t)
    const peer = await site.peer(t, opened)
    const browser = new Browser(opened)
    const values = { f1: 0, theme: '', note: null, cart: { a: 1 }, list: [1, { b: false }], ünicode: '✓', '': 'empty' }
    t.strictSame((await browser.post('/set', values)).body, values)
    t.strictSame((await browser.copy(peer).get('/')).body, values)
  })

  t.test('a field is changed, also deep inside, and removed', async (t) => {
    const browser = new Browser(await site.open(t))
    await browser.post('/set', { cart: { a: 1 }, theme: 'dark', count: 1 })
    await browser.post('/cart', { b: 2 })
    await browser.post('/remove', ['theme'])
    await browser.post('/set', { count: 2 })
    t.strictSame((await browser.get('/')).body, { cart: { a: 1, b: 2 }, count: 2 })
  })

  t.test('of 100 parallel requests, each with a field of its own, nothing is lost', async (t) => {
    const opened = await site.open(t)
    const processes = [opened, await site.peer(t, opened), await site.peer(t, opened)]
    const browser = new Browser(opened)
    await browser.post('/set', { count: 1, theme: 'dark' })
    const all = Array.from({ length: 100 }, (_, i) =>
      browser.copy(processes[i % 3]).post(`/slow/${i}`, { [`f${i}`]: i }),
    )
    // All have read before any writes.
    await Promise.all(all.map((_, i) => processes[i % 3]?.gates.arrived(String(i))))
    for (let i = 0; i < 100; i++) processes[i % 3]?.gates.open(String(i))
    for (const answer of await Promise.all(all)) t.strictSame(answer.body, { count: 1, theme: 'dark' })
    const { body } = await browser.get('/')
    t.strictSame(body, {
      count: 1,
      theme: 'dark',
      ...Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`f${i}`, i])),
    })
  })

  t.test('a field that one request removes and another leaves alone stays removed', async (t) => {
    const opened = await site.open(t)
    const browser = new Browser(opened)
    await browser.post('/set', { count: 1, theme: 'dark' })
    const slow = browser.copy().post('/slow/a', { f1: 1 })
    await opened.gates.arrived('a')
    await browser.post('/remove', ['theme'])
    opened.gates.open('a')
    await slow
    t.strictSame((await browser.get('/')).body, { count: 1, f1: 1 })
  })

  t.test('what is no JSON is refused, by name', async (t) => {
    const opened = await site.open(t)
    const browser = new Browser(opened)
    const { status, body } = await browser.post('/bigint')
    t.equal(status, 500)
    t.match(body, { code: 'LARDER_SESSIONS_NOT_SERIALIZABLE', message: /`note`/ })
  })
}

function logins(t: Test, site: Site): void {
  t.test('a login binds the session to the user, with its data', async (t) => {
    const browser = new Browser(await site.open(t))
    t.strictSame((await browser.post('/login/ann', { theme: 'dark' })).body, { theme: 'dark', userId: 'ann' })
    t.strictSame((await browser.get('/')).body, { theme: 'dark', userId: 'ann' })
    await browser.post('/login/42', {})
    t.equal((await browser.get('/')).body.userId, 42, 'a number stays one')
  })

  t.test('fixation: a login takes a new id, and the old one is nobody', async (t) => {
    const opened = await site.open(t)
    const victim = new Browser(opened)
    await victim.post('/set', { count: 1 })
    const attacker = victim.copy()
    await victim.post('/login/ann', {})
    t.not(victim.cookie, attacker.cookie)
    t.strictSame((await victim.get('/')).body, { count: 1, userId: 'ann' }, 'what was in the cart is still there')
    t.strictSame((await attacker.get('/')).body, {})
    await attacker.post('/set', { count: 666 })
    await attacker.post('/login/mallory', {})
    t.strictSame((await victim.get('/')).body, { count: 1, userId: 'ann' })
  })

  t.test('fixation: an id that nobody was given is not adopted, however well signed', async (t) => {
    const opened = await site.open(t)
    const other = new Browser(await site.open(t))
    await other.post('/set', { count: 1 })
    const browser = new Browser(opened, other.cookie)
    t.strictSame((await browser.get('/')).body, {})
    await browser.post('/set', { count: 2 })
    t.ok(browser.cookie)
    t.not(browser.cookie, other.cookie)
  })

  t.test('a login of another user leaves the data of the first behind', async (t) => {
    const opened = await site.open(t)
    const browser = await loggedIn(opened, 'ann')
    await browser.post('/set', { note: 'mine' })
    const before = browser.copy()
    await browser.post('/login/bob', { theme: 'dark' })
    t.strictSame((await browser.get('/')).body, { theme: 'dark', userId: 'bob' })
    t.strictSame((await before.get('/')).body, {})
    t.strictSame(await opened.app.sessions.list('ann'), [])
  })

  t.test('a second login of the same user keeps the data, and the old id is gone', async (t) => {
    const opened = await site.open(t)
    const browser = await loggedIn(opened, 'ann')
    await browser.post('/set', { note: 'mine' })
    const before = browser.copy()
    await browser.post('/login/ann', {})
    t.strictSame((await browser.get('/')).body, { note: 'mine', userId: 'ann' })
    t.strictSame((await before.get('/')).body, {})
    t.equal((await opened.app.sessions.list('ann')).length, 1)
  })

  t.test('only a login binds: assigning userId is refused', async (t) => {
    const opened = await site.open(t)
    const browser = new Browser(opened)
    t.match((await browser.post('/set', { userId: 'ann' })).body, { code: 'LARDER_SESSIONS_USER', statusCode: 500 })
    const ann = await loggedIn(opened, 'ann')
    t.match((await ann.post('/set', { userId: 'bob' })).body, { code: 'LARDER_SESSIONS_USER' })
    t.equal((await ann.get('/')).body.userId, 'ann')
    t.strictSame(await opened.app.sessions.list('bob'), [])
  })

  t.test('a parallel request with the old id does not take the new cookie away', async (t) => {
    const opened = await site.open(t)
    const browser = new Browser(opened)
    await browser.post('/set', { count: 1 })
    const tab = browser.copy()
    await browser.post('/login/ann', {})
    t.equal((await tab.get('/')).setCookie, undefined)
    t.equal((await tab.post('/set', { count: 2 })).setCookie, undefined)
    t.equal((await browser.get('/')).body.count, 1)
  })

  t.test('after the grace the old id is an unknown one', async (t) => {
    const opened = await site.open(t, { grace: '5s' })
    const browser = new Browser(opened)
    await browser.post('/set', { count: 1 })
    const tab = browser.copy()
    await browser.post('/login/ann', {})
    await site.age(opened, 5_001)
    t.ok((await tab.post('/set', { count: 2 })).setCookie)
    t.strictSame((await tab.get('/')).body, { count: 2 })
  })

  t.test('a logout clears the cookie and leaves an empty session', async (t) => {
    const opened = await site.open(t)
    const browser = await loggedIn(opened, 'ann')
    const before = browser.copy()
    const { body, setCookie } = await browser.post('/logout')
    t.strictSame(body, {})
    t.match(setCookie, /^sessionId=; .*Expires=Thu, 01 Jan 1970/)
    t.strictSame((await before.get('/')).body, {})
    t.strictSame(await opened.app.sessions.list('ann'), [])
    t.equal(await site.dump(opened), '')
  })
}

function resurrections(t: Test, site: Site): void {
  const endings: [string, (opened: Opened, browser: Browser) => Promise<unknown>][] = [
    ['logout', (_, browser) => browser.post('/logout')],
    ['session.destroy()', (_, browser) => browser.post('/destroy')],
    ['revokeAll', ({ app }) => app.sessions.revokeAll('ann')],
    [
      'revoke',
      async ({ app }) => {
        const [session] = await app.sessions.list('ann')
        await app.sessions.revoke('ann', session?.id ?? '')
      },
    ],
    ['a login of the same user', (_, browser) => browser.post('/login/ann', {})],
    ['a login of another user', (_, browser) => browser.post('/login/bob', {})],
    ['session.regenerate()', (_, browser) => browser.post('/regenerate', ['userId'])],
    ['a rotation without grace', (_, browser) => browser.post('/rotate', { grace: 0 })],
  ]
  for (const [name, end] of endings) {
    t.test(`resurrection: after ${name}, a late save does not bring the old id back`, async (t) => {
      const opened = await site.open(t)
      const peer = await site.peer(t, opened)
      const browser = await loggedIn(opened, 'ann')
      const before = browser.copy()
      const slow = before.copy(peer).post('/slow/late', { count: 1 })
      await peer.gates.arrived('late')
      await end(opened, browser)
      peer.gates.open('late')
      t.equal((await slow).status, 200)
      t.strictSame((await before.get('/')).body, {})
      t.strictSame((await before.copy(peer).get('/')).body, {})
    })
  }

  t.test('resurrection: a rotation that ends after revokeAll is refused', async (t) => {
    const opened = await site.open(t)
    const browser = await loggedIn(opened, 'ann')
    const slow = browser.copy().post('/slow-rotate/late')
    await opened.gates.arrived('late')
    t.equal(await opened.app.sessions.revokeAll('ann'), 1)
    opened.gates.open('late')
    t.match(await slow, { status: 401, body: { code: 'LARDER_SESSIONS_ENDED' } })
    t.strictSame(await opened.app.sessions.list('ann'), [])
  })

  t.test('resurrection: of rotations and revokeAll at once nothing is left', async (t) => {
    const opened = await site.open(t)
    const peer = await site.peer(t, opened)
    for (let round = 0; round < 20; round++) {
      const browsers = [await loggedIn(opened, 'ann'), await loggedIn(opened, 'ann'), await loggedIn(opened, 'ann')]
      const rotations = browsers.map((browser) => browser.post('/rotate', {}))
      const revoked = peer.app.sessions.revokeAll('ann')
      await Promise.all([...rotations, revoked])
      t.strictSame(await opened.app.sessions.list('ann'), [], `round ${round}`)
      for (const browser of browsers) t.strictSame((await browser.get('/')).body, {})
    }
  })
}

function rotations(t: Test, site: Site): void {
  t.test('a rotation keeps user, data and age; the index follows', async (t) => {
    const opened = await site.open(t)
    const browser = await loggedIn(opened, 'ann')
    await browser.post('/set', { count: 1 })
    const [first] = await opened.app.sessions.list('ann')
    const before = browser.copy()
    await browser.post('/rotate', {})
    t.not(browser.cookie, before.cookie)
    t.strictSame((await browser.get('/')).body, { count: 1, userId: 'ann' })
    const [second, ...others] = await opened.app.sessions.list('ann')
    t.strictSame(others, [])
    t.equal(second?.createdAt, first?.createdAt)
    t.not(second?.id, first?.id)
  })

  t.test('within the grace, parallel requests with the old id are served, and lose nothing', async (t) => {
    const opened = await site.open(t)
    const browser = await loggedIn(opened, 'ann')
    const tab = browser.copy()
    const slow = browser.copy().post('/slow/late', { f1: 1 })
    await opened.gates.arrived('late')
    await browser.post('/rotate', {})
    opened.gates.open('late')
    await slow
    t.equal((await tab.get('/')).body.userId, 'ann')
    t.equal((await tab.post('/set', { f2: 2 })).setCookie, undefined)
    t.strictSame((await browser.get('/')).body, { f1: 1, f2: 2, userId: 'ann' })
    await site.age(opened, 10_001)
    t.strictSame((await tab.get('/')).body, {}, 'and not after it')
    t.equal((await browser.get('/')).body.userId, 'ann')
  })

  t.test('a logout through the old id, within the grace, ends the new one', async (t) => {
    const opened = await site.open(t)
    const browser = await loggedIn(opened, 'ann')
    const tab = browser.copy()
    await browser.post('/rotate', {})
    await tab.post('/logout')
    t.strictSame((await browser.get('/')).body, {})
    t.strictSame(await opened.app.sessions.list('ann'), [])
  })

  t.test('of two rotations at once one gets the session', async (t) => {
    const opened = await site.open(t)
    const browser = await loggedIn(opened, 'ann')
    const tabs = [browser.copy(), browser.copy()]
    const slow = tabs.map((tab, i) => tab.post(`/slow-rotate/${i}`))
    await Promise.all([opened.gates.arrived('0'), opened.gates.arrived('1')])
    opened.gates.open('0')
    opened.gates.open('1')
    t.strictSame((await Promise.all(slow)).map(({ status }) => status).sort(), [200, 401])
    t.equal((await opened.app.sessions.list('ann')).length, 1)
  })

  t.test('there is nothing to rotate without a session', async (t) => {
    t.match(await new Browser(await site.open(t)).post('/rotate', {}), { status: 401 })
  })
}

function cookies(t: Test, site: Site): void {
  t.test('forged, truncated and swapped cookies are nobody', async (t) => {
    const opened = await site.open(t)
    const ann = await loggedIn(opened, 'ann')
    const bob = await loggedIn(opened, 'bob')
    const [annId = '', annSignature = ''] = ann.cookie?.split('.') ?? []
    const [bobId = '', bobSignature = ''] = bob.cookie?.split('.') ?? []
    const forged = [
      annId,
      `${annId}.`,
      `.${annSignature}`,
      `${annId}.${bobSignature}`,
      `${bobId}.${annSignature}`,
      `${annId}.${annSignature.slice(0, -1)}`,
      `${annId.slice(0, -1)}.${annSignature}`,
      `${annId}.${annSignature}x`,
      `${annId}${bobId}.${annSignature}`,
      `${annId}.${annSignature}.${bobSignature}`,
      `s:${ann.cookie}`,
      '.',
      'undefined',
      '%00',
      '"',
      'x'.repeat(4_000),
      `${annId.toUpperCase()}.${annSignature}`,
    ]
    for (const cookie of forged) {
      const { status, body, setCookie } = await new Browser(opened, cookie).get('/')
      t.equal(status, 200)
      t.strictSame(body, {}, cookie.slice(0, 20))
      t.equal(setCookie, undefined)
    }
    t.equal((await ann.get('/')).body.userId, 'ann')
  })

  t.test('the cookie is signed, HttpOnly, SameSite=Lax, and Secure over HTTPS; its id has 256 bits', async (t) => {
    const { setCookie = '' } = await new Browser(await site.open(t)).post('/set', { count: 1 })
    const [, id = '', signature] =
      /^sessionId=([\w-]+)\.([^;]+); Path=\/; HttpOnly; SameSite=Lax$/.exec(setCookie) ?? []
    t.equal(Buffer.from(id, 'base64url').length, 32)
    t.ok(signature)
  })

  t.test('secrets rotate: the first signs, all are accepted, and the cookie is signed anew', async (t) => {
    const old = 'the secret that was used before this one'
    const before = await site.open(t, { secret: old })
    const browser = await loggedIn(before, 'ann')
    if (site.name === 'in memory') return
    const after = await site.peer(t, before, { secret: [SECRET, old] })
    const moved = browser.copy(after)
    const { setCookie, body } = await moved.get('/')
    t.equal(body.userId, 'ann')
    t.ok(setCookie)
    t.not(moved.cookie, browser.cookie)
    t.equal((await moved.get('/')).setCookie, undefined)
    const last = await site.peer(t, before, { secret: SECRET })
    t.equal((await moved.copy(last).get('/')).body.userId, 'ann')
    t.strictSame((await browser.copy(last).get('/')).body, {})
  })

  t.test('with maxAge the cookie moves on with the expiry', async (t) => {
    const opened = await site.open(t, { cookie: { maxAge: HOUR } })
    const browser = new Browser(opened)
    t.match((await browser.post('/set', { count: 1 })).setCookie, /Expires=/)
    t.equal((await browser.get('/plain')).setCookie, undefined)
    await site.age(opened, MINUTE)
    t.match((await browser.get('/plain')).setCookie, /Expires=/)
    t.equal((await browser.get('/plain')).setCookie, undefined)
  })
}

function timeouts(t: Test, site: Site): void {
  t.test('a session that is not used ends after `idle`', async (t) => {
    const opened = await site.open(t)
    const browser = await loggedIn(opened, 'ann')
    await site.age(opened, 30 * MINUTE - 5_000)
    t.equal((await browser.get('/')).body.userId, 'ann')
    await site.age(opened, 30 * MINUTE - 5_000)
    t.equal((await browser.get('/')).body.userId, 'ann', 'it was used meanwhile')
    await site.age(opened, 30 * MINUTE + 1)
    t.strictSame((await browser.get('/')).body, {})
    t.strictSame(await opened.app.sessions.list('ann'), [])
  })

  t.test('a session in constant use ends after `absolute`, also by writes and rotations', async (t) => {
    const opened = await site.open(t, { absolute: '2h' })
    const reader = await loggedIn(opened, 'ann')
    const writer = await loggedIn(opened, 'bob')
    const rotator = await loggedIn(opened, 'eve')
    for (let minute = 10; minute < 120; minute += 10) {
      await site.age(opened, 10 * MINUTE - 1)
      t.equal((await reader.get('/')).body.userId, 'ann', `minute ${minute}`)
      t.equal((await writer.post('/set', { count: minute })).body.userId, 'bob')
      t.equal((await rotator.post('/rotate', {})).body.userId, 'eve')
    }
    await site.age(opened, 10 * MINUTE + 20)
    t.strictSame((await reader.get('/')).body, {})
    t.strictSame((await writer.post('/set', { count: 0 })).body, { count: 0 })
    t.equal((await rotator.post('/rotate', {})).status, 401)
    for (const user of ['ann', 'bob', 'eve']) t.strictSame(await opened.app.sessions.list(user), [])
  })

  t.test('the expiry moves at most once per `touchEvery`', async (t) => {
    const opened = await site.open(t, { touchEvery: '2m' })
    const browser = await loggedIn(opened, 'ann')
    const seen = async () => (await opened.app.sessions.list('ann'))[0]?.lastSeenAt as number
    const first = await seen()
    await browser.get('/')
    await browser.post('/set', { count: 1 })
    t.equal(await seen(), first)
    await site.age(opened, 2 * MINUTE)
    const aged = await seen()
    await browser.get('/plain')
    t.ok((await seen()) - aged >= 2 * MINUTE - 10)
  })
}

function devices(t: Test, site: Site): void {
  t.test('a user sees his sessions, and which one is this', async (t) => {
    const opened = await site.open(t)
    const phone = await loggedIn(opened, 'ann', { 'user-agent': 'phone' })
    const laptop = await loggedIn(opened, 'ann', { 'user-agent': 'laptop' })
    await loggedIn(opened, 'bob', { 'user-agent': 'evil' })
    const body = (await laptop.get('/list/ann')).body as unknown as SessionInfo[]
    t.match(body, [
      { userAgent: 'phone', current: false, ip: '127.0.0.1' },
      { userAgent: 'laptop', current: true, ip: '127.0.0.1' },
    ])
    t.equal(body.length, 2)
    for (const { id, createdAt, lastSeenAt, expiresAt } of body) {
      t.notOk(phone.cookie?.includes(id) || laptop.cookie?.includes(id))
      t.ok(Math.abs(createdAt - Date.now()) < 5_000)
      t.equal(lastSeenAt, createdAt)
      t.equal(expiresAt, createdAt + 12 * HOUR)
      t.strictSame((await new Browser(opened, id).get('/')).body, {})
    }
    t.notOk((await opened.app.sessions.list('ann')).some(({ current }) => current))
  })

  t.test('a session of another user is never in the list, and cannot be revoked', async (t) => {
    const opened = await site.open(t)
    const ann = await loggedIn(opened, 'ann')
    const names = ['an', 'anna', 'ann:', 'ann}', '{ann}', 'ANN', '~ann', 'ann%', ' ann', 'x'.repeat(300)]
    const others = await Promise.all(names.map((name) => loggedIn(opened, encodeURIComponent(name))))
    const [own] = await opened.app.sessions.list('ann')
    t.equal((await opened.app.sessions.list('ann')).length, 1)
    for (const name of names) {
      const list = await opened.app.sessions.list(name)
      t.equal(list.length, 1, name)
      t.equal(await opened.app.sessions.revoke('ann', list[0]?.id ?? ''), false)
      t.equal(await opened.app.sessions.revoke(name, own?.id ?? ''), false)
      t.equal((await ann.get(`/list/${encodeURIComponent(name)}`)).body[0]?.current, false)
    }
    for (const [i, other] of others.entries()) t.equal((await other.get('/')).body.userId, names[i])
    t.equal((await ann.get('/')).body.userId, 'ann')
  })

  t.test('one session is revoked, the others stay', async (t) => {
    const opened = await site.open(t)
    const one = await loggedIn(opened, 'ann')
    const other = await loggedIn(opened, 'ann')
    const list = (await one.get('/list/ann')).body as unknown as SessionInfo[]
    const first = list.find(({ current }) => current)
    t.equal((await other.post(`/revoke/ann/${first?.id}`)).body, true)
    t.equal((await other.post(`/revoke/ann/${first?.id}`)).body, false)
    t.strictSame((await one.get('/')).body, {})
    t.equal((await other.get('/')).body.userId, 'ann')
  })

  t.test('all are revoked, or all but this', async (t) => {
    const opened = await site.open(t)
    const browsers = [await loggedIn(opened, '7'), await loggedIn(opened, '7'), await loggedIn(opened, '7')]
    const bob = await loggedIn(opened, 'bob')
    t.equal((await (browsers[1] as Browser).post('/revoke-others/7')).body, 2)
    const users = async () => Promise.all(browsers.map(async (browser) => (await browser.get('/')).body.userId))
    t.strictSame(await users(), [undefined, 7, undefined])
    t.equal((await bob.post('/revoke-others/7')).body, 1, 'the session of another user is no exception')
    t.strictSame(await users(), [undefined, undefined, undefined])
    t.equal((await bob.post('/revoke-all/bob')).body, 1)
    t.strictSame((await bob.get('/')).body, {})
    t.equal(await opened.app.sessions.revokeAll('nobody'), 0)
  })

  t.test('beyond maxPerUser the oldest goes, and those that ended do not count', async (t) => {
    const opened = await site.open(t, { maxPerUser: 2 })
    const first = await loggedIn(opened, 'ann')
    const second = await loggedIn(opened, 'ann')
    await second.post('/logout')
    const third = await loggedIn(opened, 'ann')
    t.equal((await first.get('/')).body.userId, 'ann')
    const fourth = await loggedIn(opened, 'ann')
    t.strictSame((await first.get('/')).body, {})
    t.equal((await third.get('/')).body.userId, 'ann')
    t.equal((await fourth.get('/')).body.userId, 'ann')
    t.equal((await opened.app.sessions.list('ann')).length, 2)
  })

  t.test('maxPerUser does not count sessions that fell idle', async (t) => {
    const opened = await site.open(t, { maxPerUser: 2 })
    const used = await loggedIn(opened, 'ann')
    await site.age(opened, MINUTE)
    await loggedIn(opened, 'ann')
    await site.age(opened, 20 * MINUTE)
    await used.get('/')
    await site.age(opened, 20 * MINUTE)
    const latest = await loggedIn(opened, 'ann')
    t.equal((await used.get('/')).body.userId, 'ann')
    t.equal((await latest.get('/')).body.userId, 'ann')
  })
}

function atRest(t: Test, site: Site): void {
  t.test('no id lies in the store in plain text', async (t) => {
    const opened = await site.open(t)
    const browsers = [new Browser(opened), await loggedIn(opened, 'ann'), await loggedIn(opened, 'bob')]
    await browsers[0]?.post('/set', { count: 1 })
    const before = browsers[1]?.copy()
    await browsers[1]?.post('/rotate', {})
    const dump = await site.dump(opened)
    t.equal(dump === '', site.name === 'in memory')
    for (const browser of [...browsers, before]) {
      const [id = '', signature = ''] = browser?.cookie?.split('.') ?? []
      t.equal(id.length, 43)
      t.notOk(dump.includes(id))
      t.notOk(dump.includes(signature))
      t.notOk(dump.includes(Buffer.from(id, 'base64url').toString('hex')))
    }
  })

  t.test('encrypted, neither data nor devices can be read; keys rotate', async (t) => {
    const old = 'an encryption key that is on its way out'
    const opened = await site.open(t, { encryption: { keys: [old] } })
    const browser = await loggedIn(opened, 'ann', { 'user-agent': 'my phone' })
    await browser.post('/set', { note: 'very private', cart: { a: 1 } })
    await browser.post('/rotate', {}, { 'user-agent': 'my phone' })
    const dump = await site.dump(opened)
    for (const text of ['private', 'my phone', '127.0.0.1', '{"a":1}']) t.notOk(dump.includes(text), text)
    const fields = { note: 'very private', cart: { a: 1 }, userId: 'ann' }
    t.strictSame((await browser.get('/')).body, fields)
    t.match((await browser.get('/list/ann')).body, [{ userAgent: 'my phone' }])
    if (site.name === 'in memory') return
    const both = await site.peer(t, opened, { encryption: { keys: [SECRET, old] } })
    t.strictSame((await browser.copy(both).get('/')).body, fields)
    await browser.copy(both).post('/set', { note: 'new' })
    const one = await site.peer(t, opened, { encryption: { keys: [SECRET] } })
    t.strictSame((await browser.copy(one).get('/')).body, {}, 'a session that cannot be read is none')
    t.equal((await browser.copy(both).get('/')).body.note, 'new', 'and is not harmed')
  })

  t.test('what was stored before encryption was on is read only when that is allowed', async (t) => {
    if (site.name === 'in memory') return
    const opened = await site.open(t)
    const browser = await loggedIn(opened, 'ann')
    await browser.post('/set', { note: 'plain' })
    const strict = await site.peer(t, opened, { encryption: { keys: [SECRET] } })
    t.strictSame((await browser.copy(strict).get('/')).body, {})
    const lenient = await site.peer(t, opened, { encryption: { keys: [SECRET], allowPlain: true } })
    t.strictSame((await browser.copy(lenient).get('/')).body, { note: 'plain', userId: 'ann' })
  })
}

function methods(t: Test, site: Site): void {
  t.test('regenerate() takes a new id and keeps the fields named', async (t) => {
    const opened = await site.open(t)
    const browser = await loggedIn(opened, 'ann')
    await browser.post('/set', { count: 1, theme: 'dark' })
    const before = browser.copy()
    t.strictSame((await browser.post('/regenerate', ['count', 'userId'])).body, { count: 1, userId: 'ann' })
    t.strictSame((await browser.get('/')).body, { count: 1, userId: 'ann' })
    t.strictSame((await before.get('/')).body, {})
    t.equal((await opened.app.sessions.list('ann')).length, 1)
    await browser.post('/regenerate', [])
    t.strictSame((await browser.get('/')).body, {})
    t.strictSame(await opened.app.sessions.list('ann'), [])
  })

  t.test('reload() reads what others wrote, and goes on from there', async (t) => {
    const opened = await site.open(t)
    const browser = await loggedIn(opened, 'ann')
    const slow = browser.copy().get('/slow-read/a')
    await opened.gates.arrived('a')
    await browser.post('/set', { count: 1 })
    opened.gates.open('a')
    t.strictSame((await slow).body, { count: 1, userId: 'ann' })
    t.strictSame((await browser.get('/')).body, { count: 1, userId: 'ann' })
  })

  t.test('reload() of a session that has ended finds an empty one', async (t) => {
    const opened = await site.open(t)
    const browser = await loggedIn(opened, 'ann')
    const slow = browser.copy().get('/slow-read/a')
    await opened.gates.arrived('a')
    await browser.post('/logout')
    opened.gates.open('a')
    t.strictSame((await slow).body, {})
  })

  t.test('reload() of a session that has ended, and a write, does not bring its id back', async (t) => {
    const opened = await site.open(t)
    const browser = await loggedIn(opened, 'ann')
    const before = browser.copy()
    const slow = browser.copy().post('/reload-and-write/a', { count: 1 })
    await opened.gates.arrived('a')
    await browser.post('/logout')
    opened.gates.open('a')
    t.equal((await slow).setCookie, undefined)
    t.strictSame((await before.get('/')).body, {})
    t.equal(await site.dump(opened), '')
  })

  t.test('save() saves at once; isModified() and isSaved() tell', async (t) => {
    const browser = new Browser(await site.open(t))
    t.strictSame((await browser.post('/explicit', { count: 1 })).body, [false, false, true, false, true])
    t.strictSame((await browser.post('/explicit', { count: 2, cart: { a: 1 } })).body, [
      false,
      false,
      true,
      false,
      true,
    ])
    t.strictSame((await browser.get('/')).body, { count: 2, cart: { a: 1 } })
  })
}
