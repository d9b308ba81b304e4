import type { Test } from 'tap'
import { Browser, loggedIn } from '../browser.js'
import { SECRET, type Site } from '../setup.js'

export function atRest(t: Test, site: Site): void {
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
