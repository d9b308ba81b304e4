import type { Test } from 'tap'
import { Browser, loggedIn } from '../browser.js'
import type { Site } from '../setup.js'

export function methods(t: Test, site: Site): void {
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
