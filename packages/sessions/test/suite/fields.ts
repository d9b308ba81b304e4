import type { Test } from 'tap'
import { Browser } from '../browser.js'
import type { Site } from '../setup.js'

export function fields(t: Test, site: Site): void {
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
    t.match((await browser.post('/function')).body, { code: 'LARDER_SESSIONS_NOT_SERIALIZABLE', message: /`note`/ })
  })
}
