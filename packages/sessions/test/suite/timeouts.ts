import type { Test } from 'tap'
import { loggedIn } from '../browser.js'
import type { Site } from '../setup.js'

const MINUTE = 60_000

export function timeouts(t: Test, site: Site): void {
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
