import type { Board, Standing } from '@larder/leaderboard'
import fc from 'fast-check'
import t from 'tap'
import { allSites } from './setup.js'

/** The same as plainly as it can be said: a sorted array. */
class Model {
  readonly #tie: 'first' | 'last'
  #lines: { member: string; score: number; at: number }[] = []
  #time = 0

  constructor(tie: 'first' | 'last') {
    this.#tie = tie
  }

  score(member: string): number | undefined {
    return this.#lines.find((line) => line.member === member)?.score
  }

  put(member: string, score: number): void {
    if (this.score(member) === score) return
    this.remove(member)
    this.#lines.push({ member, score, at: ++this.#time })
    const sign = this.#tie === 'first' ? 1 : -1
    this.#lines.sort((a, b) => b.score - a.score || sign * (a.at - b.at))
  }

  remove(member: string): boolean {
    const before = this.#lines.length
    this.#lines = this.#lines.filter((line) => line.member !== member)
    return this.#lines.length < before
  }

  standings(): Standing[] {
    return this.#lines.map(({ member, score }, i) => ({ member, score, rank: i + 1 }))
  }
}

const member = fc.constantFrom('a', 'b', 'c', 'ä', 'e', 'f', 'g', 'h')
const score = fc.oneof(
  fc.constantFrom(0, 1, 2, -1, 0.5),
  fc.double({ noNaN: true, min: -1e300, max: 1e300 }).map((value) => value + 0),
  fc.maxSafeInteger(),
)
const step = fc.oneof(
  fc.record({ what: fc.constant('increment' as const), member, score }),
  fc.record({ what: fc.constant('set' as const), member, score }),
  fc.record({ what: fc.constantFrom('higher' as const, 'lower' as const), member, score }),
  fc.record({ what: fc.constant('remove' as const), member, score }),
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

/** What the board will answer, and what it should. */
function apply(
  board: Board,
  model: Model,
  { what, member, score }: Step,
): [answer: Promise<unknown>, expected: unknown] {
  if (what === 'remove') return [board.remove(member), model.remove(member)]
  const held = model.score(member)
  if (what === 'increment') model.put(member, (held ?? 0) + score)
  else if (what === 'set' || held === undefined || (what === 'higher' ? score > held : score < held))
    model.put(member, score)
  const call = {
    increment: () => board.increment(member, score),
    set: () => board.set(member, score),
    higher: () => board.set(member, score, { only: 'higher' }),
    lower: () => board.set(member, score, { only: 'lower' }),
  }
  return [call[what](), model.score(member)]
}

const runs = process.env.LARDER_NIGHTLY ? 2_000 : 60

for (const site of await allSites()) {
  t.test(`${site.name}, a board agrees with a sorted array, ties included`, { timeout: 600_000 }, async (t) => {
    const { leaderboards } = await site.open(t)
    let boards = 0
    const agrees = async (
      tie: 'first' | 'last',
      window: 'all' | 'day',
      pace: 'one by one' | 'at once',
      steps: Step[],
    ): Promise<void> => {
      const board = leaderboards.board(['random', ++boards], { tie, window, keep: 2 })
      const model = new Model(tie)
      const made: [Promise<unknown>, unknown][] = []
      for (const each of steps) {
        made.push(apply(board, model, each))
        if (pace === 'one by one') await made.at(-1)?.[0]
      }
      for (const [i, [answer, expected]] of made.entries()) {
        const answered = await answer
        if (!Object.is(answered, expected)) throw new Error(`${JSON.stringify(steps[i])}: ${answered}, not ${expected}`)
      }
      const all = model.standings()
      t.strictSame(await board.top(100), all)
      t.equal(await board.count(), all.length)
      for (const standing of all) {
        t.strictSame(await board.rank(standing.member), standing)
        const from = Math.max(0, standing.rank - 3)
        t.strictSame(await board.around(standing.member, 2), all.slice(from, standing.rank + 2))
      }
    }
    const steps = fc.array(step, { minLength: 1, maxLength: 60 })
    const property = fc.asyncProperty(
      fc.constantFrom('first', 'last'),
      fc.constantFrom('all', 'day'),
      fc.constantFrom('one by one', 'at once'),
      steps,
      agrees,
    )
    await fc.assert(property, { numRuns: runs })
  })
}
