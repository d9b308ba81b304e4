import type { Test } from 'tap'
import { Browser, loggedIn } from '../browser.js'
import { SECRET, type Site } from '../setup.js'

const HOUR = 3_600_000
const MINUTE = 60_000

export function cookies(t: Test, site: Site): void {
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
