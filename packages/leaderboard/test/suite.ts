import { invalidOption } from '@larder/core'
import type { Board } from '@larder/leaderboard'
import type { Test } from 'tap'
import { codeOf, lines, type Site } from './setup.js'
import { rollsOver } from './windows.js'

/** What leaderboards do wherever scores are kept. */
export function behaves(t: Test, site: Site): void {
  scores(t, site)
  ties(t, site)
  numbers(t, site)
  members(t, site)
  rollsOver(t, site)
}

async function fill(board: Board, given: Record<string, number>): Promise<void> {
  for (const [member, score] of Object.entries(given)) await board.set(member, score)
}

function scores(t: Test, site: Site): void {
  t.test('the highest score is first, and all processes see the same', async (t) => {
    const one = await site.open(t)
    const other = await site.peer(t, one)
    const board = one.leaderboards.board('game')
    t.equal(await board.increment('ann', 5), 5)
    t.equal(await board.increment('bob'), 1)
    t.equal(await other.leaderboards.board('game').increment('bob', 6), 7)
    t.equal(await board.set('cat', 6), 6)
    for (const { leaderboards } of [one, other]) {
      const same = leaderboards.board('game')
      t.equal(lines(await same.top(10)), 'bob 7, cat 6, ann 5')
      t.strictSame(await same.rank('cat'), { member: 'cat', score: 6, rank: 2 })
      t.equal(await same.rank('dan'), undefined)
      t.equal(await same.count(), 3)
    }
  })

  t.test('a board nobody has scored on is empty', async (t) => {
    const board = (await site.open(t)).leaderboards.board('empty')
    t.strictSame(await board.top(10), [])
    t.strictSame(await board.around('ann', 2), [])
    t.equal(await board.rank('ann'), undefined)
    t.equal(await board.count(), 0)
    t.equal(await board.remove('ann'), false)
    t.equal(await board.window(), undefined)
  })

  t.test('pages follow each other, neighbours surround a member', async (t) => {
    const board = (await site.open(t)).leaderboards.board('pages')
    await fill(board, { a: 9, b: 8, c: 7, d: 6, e: 5, f: 4, g: 3 })
    t.equal(lines(await board.top(3)), 'a 9, b 8, c 7')
    t.equal(lines(await board.top(3, { offset: 3 }), 4), 'd 6, e 5, f 4')
    t.equal(lines(await board.top(3, { offset: 6 }), 7), 'g 3')
    t.strictSame(await board.top(3, { offset: 7 }), [])
    t.equal(lines(await board.around('d', 1), 3), 'c 7, d 6, e 5')
    t.equal(lines(await board.around('d', 0), 4), 'd 6')
    t.equal(lines(await board.around('a', 2), 1), 'a 9, b 8, c 7')
    t.equal(lines(await board.around('g', 2), 5), 'e 5, f 4, g 3')
    t.equal(lines(await board.around('d', 100), 1), 'a 9, b 8, c 7, d 6, e 5, f 4, g 3')
  })

  t.test('pages may begin far behind the end, and be longer than the board', async (t) => {
    const board = (await site.open(t)).leaderboards.board('far')
    await fill(board, { a: 2, b: 1 })
    const most = Number.MAX_SAFE_INTEGER
    for (const offset of [2, 2 ** 32, 2 ** 53 - 2, most]) t.strictSame(await board.top(10, { offset }), [])
    t.strictSame(await board.top(most, { offset: most }), [])
    t.equal(lines(await board.top(most)), 'a 2, b 1')
    t.equal(lines(await board.top(most, { offset: 1 }), 2), 'b 1')
    t.equal(lines(await board.around('b', most)), 'a 2, b 1')
  })

  t.test('changes that are made at once are made in their order', async (t) => {
    const board = (await site.open(t)).leaderboards.board('order')
    const answers = await Promise.all([
      board.set('a', 5),
      board.increment('a'),
      board.increment('b', 6),
      board.remove('a'),
      board.remove('a'),
      board.set('a', 1, { only: 'higher' }),
      board.set('a', 0, { only: 'higher' }),
      board.increment('c', 6),
      board.clear(),
      board.increment('b'),
      board.increment('a'),
      board.remove('b'),
      board.increment('b'),
    ])
    t.strictSame(answers, [5, 6, 6, true, false, 1, 1, 6, undefined, 1, 1, true, 1])
    t.equal(lines(await board.top(9)), 'a 1, b 1')
    t.equal(await board.count(), 2)
    t.strictSame(await Promise.all([board.remove('a'), board.remove('b'), board.remove('b')]), [true, true, false])
    t.equal(await board.count(), 0)
  })

  t.test('a sum that is none spoils nothing of what is made at once with it', async (t) => {
    const board = (await site.open(t)).leaderboards.board('spoilt')
    await board.set('a', Number.MAX_VALUE)
    const [code, score] = await Promise.all([codeOf(board.increment('a', Number.MAX_VALUE)), board.increment('b')])
    t.strictSame([code, score], ['LARDER_LEADERBOARD_INVALID_SCORE', 1])
    t.equal(lines(await board.top(9)), `a ${Number.MAX_VALUE}, b 1`)
  })

  t.test('who is removed has no rank, and begins at 0 again', async (t) => {
    const board = (await site.open(t)).leaderboards.board('removal')
    await fill(board, { a: 3, b: 2, c: 1 })
    t.equal(await board.remove('b'), true)
    t.equal(await board.remove('b'), false)
    t.equal(lines(await board.top(10)), 'a 3, c 1')
    t.equal(await board.increment('b', 0.5), 0.5)
    t.equal(lines(await board.top(10)), 'a 3, c 1, b 0.5')
    for (const member of ['a', 'b', 'c']) t.equal(await board.remove(member), true)
    t.equal(await board.count(), 0)
    await fill(board, { z: 1 })
    await board.clear()
    t.equal(await board.count(), 0)
  })

  t.test('only a higher, or lower, score counts where that is asked for', async (t) => {
    const board = (await site.open(t)).leaderboards.board('best')
    t.equal(await board.set('ann', 5, { only: 'higher' }), 5)
    t.equal(await board.set('ann', 4, { only: 'higher' }), 5)
    t.equal(await board.set('ann', 6, { only: 'higher' }), 6)
    t.equal(await board.set('ann', 7, { only: 'lower' }), 6)
    t.equal(await board.set('ann', -1, { only: 'lower' }), -1)
    t.equal((await board.rank('ann'))?.score, -1)
  })

  t.test('increments at once from two processes are all counted', async (t) => {
    const one = await site.open(t)
    const other = await site.peer(t, one)
    const boards = [one, other].map(({ leaderboards }) => leaderboards.board('rush'))
    await Promise.all(Array.from({ length: 400 }, (_, i) => boards[i % 2]?.increment(i % 3 === 0 ? 'a' : 'b')))
    t.equal(lines((await boards[0]?.top(5)) ?? []), 'b 266, a 134')
  })

  t.test('boards of other names, ties and namespaces are independent', async (t) => {
    const { leaderboards } = await site.open(t)
    const elsewhere = (await site.open(t)).leaderboards
    const boards = [
      leaderboards.board('x'),
      leaderboards.board('x', { tie: 'last' }),
      leaderboards.board('x', { window: 'day' }),
      leaderboards.board('x', { window: 'day', timeZone: 'Asia/Tokyo' }),
      leaderboards.board('x', { window: 'month' }),
      leaderboards.board('x}'),
      leaderboards.board('x%7D'),
      leaderboards.board('{x'),
      leaderboards.board(['x', 'y']),
      leaderboards.board(['x:y', 'z']),
      leaderboards.board('x'.repeat(5_000)),
      elsewhere.board('x'),
    ]
    for (const [i, board] of boards.entries()) await board.set('ann', i)
    for (const [i, board] of boards.entries()) t.equal(lines(await board.top(2)), `ann ${i}`)
    t.equal(await leaderboards.board('x:y').count(), 1, 'an array is its parts joined')
  })
}

function ties(t: Test, site: Site): void {
  t.test('who reached a score first comes first', async (t) => {
    const board = (await site.open(t)).leaderboards.board('first')
    await fill(board, { bob: 5, ann: 5, zoe: 5, cat: 5 })
    t.equal(lines(await board.top(10)), 'bob 5, ann 5, zoe 5, cat 5')
    await board.increment('bob', 1)
    await board.increment('bob', -1)
    t.equal(lines(await board.top(10)), 'ann 5, zoe 5, cat 5, bob 5', 'bob left his score and came back')
    await board.increment('ann', 0)
    await board.set('ann', 5)
    t.equal(lines(await board.top(10)), 'ann 5, zoe 5, cat 5, bob 5', 'ann still has the score that she had')
    t.strictSame(
      await Promise.all(['ann', 'zoe', 'cat', 'bob'].map(async (name) => (await board.rank(name))?.rank)),
      [1, 2, 3, 4],
    )
  })

  t.test('or last, where that is asked for', async (t) => {
    const board = (await site.open(t)).leaderboards.board('last', { tie: 'last' })
    await fill(board, { bob: 5, ann: 5, zoe: 5 })
    t.equal(lines(await board.top(10)), 'zoe 5, ann 5, bob 5')
    await board.set('bob', 4)
    await board.set('bob', 5)
    t.equal(lines(await board.around('bob', 1)), 'bob 5, zoe 5')
  })
}

function numbers(t: Test, site: Site): void {
  t.test('scores are exact: negative, fractions, up to 2^53 and beyond the precision of 15 digits', async (t) => {
    const board = (await site.open(t)).leaderboards.board('numbers')
    const values = [
      2 ** 53,
      2 ** 53 - 1,
      -(2 ** 53),
      0.1,
      0.30000000000000004,
      0.3,
      -0.1,
      -1e-7,
      0,
      Number.MAX_VALUE,
      -Number.MAX_VALUE,
      Number.MIN_VALUE,
      1 / 3,
      123456789012345.67,
      1e21,
    ]
    await Promise.all(values.map((value, i) => board.set(i, value)))
    const sorted = [...values].sort((a, b) => b - a)
    const top = await board.top(values.length)
    t.strictSame(
      top.map(({ score }) => score),
      sorted,
    )
    for (const [i, value] of values.entries()) t.equal((await board.rank(i))?.score, value)
    t.equal(await board.increment(0, -1), 2 ** 53 - 1)
    t.equal(await board.increment(4, 0.1), 0.30000000000000004 + 0.1)
  })

  t.test('-0 is 0', async (t) => {
    const board = (await site.open(t)).leaderboards.board('zero')
    t.ok(Object.is(await board.set('a', -0), 0))
    t.ok(Object.is(await board.increment('b', -0), 0))
    t.equal(lines(await board.top(2)), 'a 0, b 0')
    t.ok(Object.is((await board.rank('a'))?.score, 0))
  })

  t.test('what is no finite number is refused, and changes nothing', async (t) => {
    const board = (await site.open(t)).leaderboards.board('refused')
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, '5', undefined, null, 5n]) {
      t.equal(await codeOf(board.set('ann', bad as number)), 'LARDER_LEADERBOARD_INVALID_SCORE')
      if (bad !== undefined)
        t.equal(await codeOf(board.increment('ann', bad as number)), 'LARDER_LEADERBOARD_INVALID_SCORE')
    }
    t.equal(await board.count(), 0)
    await board.set('ann', Number.MAX_VALUE)
    t.equal(await codeOf(board.increment('ann', Number.MAX_VALUE)), 'LARDER_LEADERBOARD_INVALID_SCORE')
    t.equal((await board.rank('ann'))?.score, Number.MAX_VALUE)
  })
}

function members(t: Test, site: Site): void {
  t.test('any text is a member, and comes back as it was', async (t) => {
    const board = (await site.open(t)).leaderboards.board('members')
    const names = [
      'a',
      'A',
      ' ',
      '\0',
      '\0\0',
      '0',
      '-1',
      '\u00fc',
      'u\u0308',
      '日本語',
      '😀',
      'a:b',
      '{a}',
      '__proto__',
      'x'.repeat(512),
    ]
    for (const [i, name] of names.entries()) await board.set(name, -i)
    t.strictSame(
      (await board.top(100)).map(({ member }) => member),
      names,
    )
    for (const [i, name] of names.entries()) t.equal((await board.rank(name))?.rank, i + 1)
    await board.increment(42, 1)
    t.strictSame(await board.rank('42'), { member: '42', score: 1, rank: 1 })
  })

  t.test('what is no text, or none of 1 to 512 bytes, is refused', async (t) => {
    const board = (await site.open(t)).leaderboards.board('refused')
    for (const bad of ['', 'x'.repeat(513), 'ü'.repeat(257), '\ud800', Number.NaN, null, undefined, {}, ['a']]) {
      for (const call of [board.set(bad as string, 1), board.increment(bad as string), board.remove(bad as string)])
        t.equal(await codeOf(call), 'LARDER_INVALID_KEY')
      t.equal(await codeOf(board.rank(bad as string)), 'LARDER_INVALID_KEY')
      t.equal(await codeOf(board.around(bad as string, 1)), 'LARDER_INVALID_KEY')
    }
  })

  t.test('arguments are checked', async (t) => {
    const board = (await site.open(t)).leaderboards.board('checked')
    const { code } = invalidOption('', '', '') as Error & { code: string }
    for (const bad of [0, -1, 1.5, '10', undefined]) t.equal(await codeOf(board.top(bad as number)), code)
    for (const bad of [-1, 1.5, '10', undefined]) t.equal(await codeOf(board.around('a', bad as number)), code)
    t.equal(await codeOf(board.top(1, { offset: -1 })), code)
    t.equal(await codeOf(board.top(1, { ofset: 1 } as object)), code)
    t.equal(await codeOf(board.set('a', 1, { only: 'best' } as object)), code)
  })
}
