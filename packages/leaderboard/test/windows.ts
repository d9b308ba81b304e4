import type { BoardOptions } from '@larder/leaderboard'
import type { Test } from 'tap'
import { codeOf, lines, type Opened, type Site } from './setup.js'

const HOUR = 3_600_000

/** A site whose windows go by a clock that the test sets. */
async function openAt(t: Test, site: Site, time: string): Promise<Opened & { set(time: string | number): void }> {
  let now = Date.parse(time)
  const opened = await site.open(t, { clock: () => now })
  return { ...opened, set: (time) => (now = typeof time === 'string' ? Date.parse(time) : time) }
}

/** How long the window is that is the current one, in hours. */
async function hours({ leaderboards }: Opened, options: BoardOptions): Promise<number> {
  const { start, end } = (await leaderboards.board('x', options).window()) ?? { start: new Date(0), end: new Date(0) }
  return (end.getTime() - start.getTime()) / HOUR
}

/** What windows do wherever scores are kept. */
export function rollsOver(t: Test, site: Site): void {
  t.test('a day ends at midnight of its zone, also when it has 23 hours', async (t) => {
    const opened = await openAt(t, site, '2024-03-31T00:30:00+01:00')
    const day: BoardOptions = { window: 'day', timeZone: 'Europe/Berlin' }
    const board = opened.leaderboards.board('b', day)
    await board.increment('ann')
    t.equal(await hours(opened, day), 23, 'clocks go forward at 2:00')
    opened.set('2024-03-31T23:59:59.999+02:00')
    await board.increment('ann')
    t.equal(lines(await board.top(5)), 'ann 2')
    opened.set('2024-04-01T00:00:00+02:00')
    t.strictSame(await board.top(5), [])
    await board.increment('bob')
    t.equal(lines(await board.top(5)), 'bob 1')
    t.equal(lines(await board.past(1).top(5)), 'ann 2')
    t.strictSame(await board.past(1).rank('ann'), { member: 'ann', score: 2, rank: 1 })
    t.equal(await board.past(1).count(), 1)
    t.equal(lines(await board.past(1).around('ann', 1)), 'ann 2')
    t.strictSame(await board.past(1).window(), {
      start: new Date('2024-03-31T00:00:00+01:00'),
      end: new Date('2024-04-01T00:00:00+02:00'),
    })
  })

  t.test('or 25, or when midnight is left out or comes twice', async (t) => {
    const opened = await openAt(t, site, '2024-11-03T04:00:00Z')
    t.equal(await hours(opened, { window: 'day', timeZone: 'America/New_York' }), 25)
    t.equal(await hours(opened, { window: 'week', timeZone: 'America/New_York' }), 24 * 7 + 1)
    t.equal(await hours(opened, { window: 'month', timeZone: 'America/New_York' }), 24 * 30 + 1)
    t.equal(await hours(opened, { window: 'month' }), 24 * 30)
    // The day began at 1:00, there was no midnight.
    opened.set('2018-11-04T03:00:00Z')
    t.equal(await hours(opened, { window: 'day', timeZone: 'America/Sao_Paulo' }), 23)
    // At 1:00 it was midnight again.
    opened.set('2024-11-03T05:30:00Z')
    t.equal(await hours(opened, { window: 'day', timeZone: 'America/Havana' }), 25)
    // A minute past midnight it was yesterday again, for an hour: it stays the new day.
    const board = opened.leaderboards.board('back', { window: 'day', timeZone: 'America/St_Johns' })
    opened.set('2010-11-07T02:30:30Z')
    await board.increment('ann')
    opened.set('2010-11-07T03:00:00Z')
    t.equal(await board.increment('ann'), 2)
  })

  t.test('clocks that change by half an hour, or over midnight, in both directions', async (t) => {
    const opened = await openAt(t, site, '2024-04-07T00:00:00Z')
    const lengths = async (time: string, timeZone: string) => {
      opened.set(time)
      return {
        day: await hours(opened, { window: 'day', timeZone }),
        week: await hours(opened, { window: 'week', timeZone }),
        month: await hours(opened, { window: 'month', timeZone }),
      }
    }
    const april = await lengths('2024-04-07T00:00:00Z', 'Australia/Lord_Howe')
    t.strictSame(april, { day: 24.5, week: 168.5, month: 720.5 })
    const october = await lengths('2024-10-06T00:00:00Z', 'Australia/Lord_Howe')
    t.strictSame(october, { day: 23.5, week: 167.5, month: 743.5 })
    // Midnight is left out in spring, and comes twice in autumn.
    t.strictSame(await lengths('2023-10-01T12:00:00Z', 'America/Asuncion'), { day: 23, week: 167, month: 743 })
    t.strictSame(await lengths('2023-03-25T12:00:00Z', 'America/Asuncion'), { day: 25, week: 169, month: 745 })
    t.strictSame(await lengths('2024-04-26T12:00:00Z', 'Africa/Cairo'), { day: 23, week: 167, month: 719 })
    t.strictSame(await lengths('2024-10-31T12:00:00Z', 'Africa/Cairo'), { day: 25, week: 169, month: 745 })

    const cairo = opened.leaderboards.board('cairo', { window: 'day', timeZone: 'Africa/Cairo' })
    opened.set('2024-10-31T20:59:59.999Z')
    await cairo.increment('ann')
    opened.set('2024-10-31T21:00:00Z')
    t.equal(await cairo.increment('ann'), 2, 'it is 23:00 for the second time')
    opened.set('2024-10-31T22:00:00Z')
    t.equal(await cairo.increment('ann'), 1, 'midnight')
    opened.set('2024-04-25T21:59:59.999Z')
    await cairo.increment('ann')
    opened.set('2024-04-25T22:00:00Z')
    t.equal(await cairo.increment('ann'), 1, 'after 23:59 comes 1:00')
    t.strictSame((await cairo.window())?.start, new Date('2024-04-25T22:00:00Z'))
  })

  t.test('weeks begin on Monday, months on the first', async (t) => {
    const opened = await openAt(t, site, '2024-12-31T12:00:00Z')
    const week = opened.leaderboards.board('w', { window: 'week' })
    const month = opened.leaderboards.board('m', { window: 'month' })
    t.strictSame(await week.window(), { start: new Date('2024-12-30'), end: new Date('2025-01-06') })
    t.strictSame(await month.window(), { start: new Date('2024-12-01'), end: new Date('2025-01-01') })
    for (const board of [week, month]) await board.increment('ann')
    opened.set('2025-01-01T00:00:00Z')
    t.equal(await week.increment('ann'), 2)
    t.equal(await month.increment('ann'), 1)
    opened.set('2025-01-06T00:00:00Z')
    t.equal(await week.increment('ann'), 1)
  })

  t.test('so many windows are kept', async (t) => {
    const opened = await openAt(t, site, '2024-02-27T12:00:00Z')
    const board = opened.leaderboards.board('kept', { window: 'day', keep: 3 })
    for (const date of ['2024-02-27', '2024-02-28', '2024-02-29', '2024-03-01']) {
      opened.set(`${date}T12:00:00Z`)
      await board.set(date, 1)
    }
    t.equal(lines(await board.past(1).top(1)), '2024-02-29 1')
    t.equal(lines(await board.past(2).top(1)), '2024-02-28 1')
    for (const bad of [0, 3, 1.5])
      t.throws(() => board.past(bad), { code: 'LARDER_INVALID_OPTION', message: /from 1 to 2/ })
    t.throws(() => opened.leaderboards.board('x').past(1), { message: /a board with a window/ })
    const many = opened.leaderboards.board('x', { window: 'day' })
    t.ok(many.past(7), 'eight by default')
    t.throws(() => many.past(8))
  })

  t.test('options of a board are checked', async (t) => {
    const { leaderboards } = await site.open(t)
    const bad: [object, RegExp][] = [
      [{ window: 'year' }, /`window` to be one of `'all'`, `'day'`, `'week'`, `'month'`/],
      [{ tie: 'random' }, /`tie` to be one of `'first'`, `'last'`/],
      [{ keep: 0 }, /`keep`/],
      [{ timeZone: 'Europe/Atlantis' }, /`timeZone` to be a time zone/],
      [{ zone: 'UTC' }, /Unknown option `zone`/],
    ]
    for (const [options, message] of bad) t.throws(() => leaderboards.board('x', options), { message })
    t.equal(await codeOf(Promise.resolve().then(() => leaderboards.board(''))), 'LARDER_INVALID_KEY')
  })
}
