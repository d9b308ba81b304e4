import type { Test } from 'tap'
import { Browser, loggedIn } from '../browser.js'
import type { Opened, Site } from '../setup.js'

export function resurrections(t: Test, site: Site): void {
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

export function rotations(t: Test, site: Site): void {
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
