import type { Board } from '@larder/leaderboard'
import t from 'tap'
import { allSites } from './setup.js'

/** A million in the nightly run. */
const MEMBERS = process.env.LARDER_NIGHTLY ? 1_000_000 : 20_000
/** Few, so that each is shared by many. */
const SCORES = 100

/** Sets the scores in order of the members' numbers: among equals the lower number was first. */
async function fill(board: Board): Promise<number[]> {
  const scores = Array.from({ length: MEMBERS }, (_, i) => ((i * 7_919) % SCORES) - 50 + 0.25)
  for (let i = 0; i < MEMBERS; i += 1_000) {
    await Promise.all(scores.slice(i, i + 1_000).map((score, j) => board.set(`member ${i + j}`, score)))
  }
  return scores
}

for (const site of await allSites()) {
  t.test(`${site.name}, ranks are exact for many members of few scores`, { timeout: 600_000 }, async (t) => {
    const board = (await site.open(t, { deadline: '30s' })).leaderboards.board('many')
    t.teardown(() => board.clear())
    const scores = await fill(board)
    const ranked = scores.map((score, i) => ({ i, score })).sort((a, b) => b.score - a.score || a.i - b.i)
    const expected = ranked.map(({ i, score }, rank) => ({ member: `member ${i}`, score, rank: rank + 1 }))
    t.equal(await board.count(), MEMBERS)
    t.strictSame(await board.top(50), expected.slice(0, 50))
    t.strictSame(await board.top(50, { offset: MEMBERS - 50 }), expected.slice(-50))
    for (let rank = 1; rank <= MEMBERS; rank += Math.floor(MEMBERS / 200)) {
      const standing = expected[rank - 1]
      if (JSON.stringify(await board.rank(standing?.member ?? '')) !== JSON.stringify(standing)) t.fail(`rank ${rank}`)
    }
    t.strictSame(
      await board.around(expected[MEMBERS / 2]?.member ?? '', 2),
      expected.slice(MEMBERS / 2 - 2, MEMBERS / 2 + 3),
    )
  })
}
