import type { Test } from 'tap'
import { Browser, loggedIn } from '../browser.js'
import type { Site } from '../setup.js'

export function logins(t: Test, site: Site): void {
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

  t.test(
    'what somebody with the anonymous id writes while a login runs is not in the session of the user',
    async (t) => {
      const opened = await site.open(t)
      const victim = new Browser(opened)
      await victim.post('/set', { theme: 'dark' })
      const planted = victim.copy().post('/slow/late', { count: 666 })
      await opened.gates.arrived('late')
      await victim.post('/login/ann', {})
      opened.gates.open('late')
      t.equal((await planted).setCookie, undefined)
      t.strictSame((await victim.get('/')).body, { theme: 'dark', userId: 'ann' })
    },
  )

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
