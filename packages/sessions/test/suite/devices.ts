import type { SessionInfo } from '@larder/sessions'
import type { Test } from 'tap'
import { Browser, loggedIn } from '../browser.js'
import type { Site } from '../setup.js'

const HOUR = 3_600_000
const MINUTE = 60_000

export function devices(t: Test, site: Site): void {
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

  t.test('what a browser says of itself is kept up to 256 letters', async (t) => {
    const opened = await site.open(t)
    await loggedIn(opened, 'ann', { 'user-agent': 'x'.repeat(5_000) })
    t.equal((await opened.app.sessions.list('ann'))[0]?.userAgent, 'x'.repeat(256))
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
