import { deepEqual, equal, ok } from 'node:assert/strict'
import { type Check, isProblem, makeProduct, unique } from '../check.js'
import type { Problem } from '../client.js'

type Line = { member: string; score: number; rank: number }
type Ranking = { board: string; window: string; total: number; items: Line[] }

/** Who is best. */
export const leaderboardChecks: readonly Check[] = [
  {
    route: 'GET /leaderboards/:board',
    sees: 'best-sellers follow the orders, in every window and process, once an order',
    run: async ({ a, b }) => {
      const [user, key] = [await a.login(), unique('key')]
      const [{ id: first }, { id: second }] = [
        await makeProduct(a, { stock: 3_000 }),
        await makeProduct(a, { stock: 3_000 }),
      ]
      const order = [{ productId: first, quantity: 1_000 }]
      for (const shop of [a, b]) await shop.order(order, user, key)
      await b.order([...order, { productId: second, quantity: 1_000 }], await b.login(), unique('key'))
      for (const window of ['all', 'day', 'week', 'month']) {
        for (const shop of [a, b]) {
          const { body } = await shop.get<Ranking>(`/leaderboards/best-sellers?window=${window}&limit=100`)
          const scores = new Map(body.items.map(({ member, score }) => [member, score]))
          deepEqual([scores.get(`${first}`), scores.get(`${second}`)], [2_000, 1_000])
          equal(body.window, window)
          ok(body.total >= 2)
        }
      }
      equal((await a.get<Ranking>('/leaderboards/best-sellers?limit=1')).body.items.length, 1)
      isProblem((await a.get<Problem>('/leaderboards/best-sellers?window=year')).body, 400, /window/)
    },
  },
  {
    route: 'PUT /leaderboards/:board/:member',
    sees: 'scores of any board but the best-sellers; of equal ones the first is first',
    run: async ({ a, b }) => {
      const board = `/leaderboards/${unique('board')}`
      const scores = { zoe: 7.5, ann: 7.5, bob: -2, cat: 9_007_199_254_740_991 }
      for (const [member, score] of Object.entries(scores)) {
        const { status, body } = await a.asStranger<Line>('PUT', `${board}/${member}`, { score })
        equal(status, 200)
        deepEqual([body.member, body.score], [member, score])
      }
      deepEqual((await b.get<Ranking>(`${board}?window=month`)).body.items, [
        { member: 'cat', score: 9_007_199_254_740_991, rank: 1 },
        { member: 'zoe', score: 7.5, rank: 2 },
        { member: 'ann', score: 7.5, rank: 3 },
        { member: 'bob', score: -2, rank: 4 },
      ])
      const fed = await a.asStranger<Problem>('PUT', '/leaderboards/best-sellers/1', { score: 1 })
      isProblem(fed.body, 409, /best-sellers/)
      isProblem((await a.asStranger<Problem>('PUT', `${board}/ann`, { score: '1' })).body, 400, /score/)
      isProblem((await a.asStranger<Problem>('PUT', '/leaderboards/%7B/ann', { score: 1 })).body, 400, /board/)
    },
  },
  {
    route: 'GET /leaderboards/:board/:member',
    sees: 'where a member stands, in every process',
    run: async ({ a, b }) => {
      const board = `/leaderboards/${unique('board')}`
      for (const [i, member] of ['ann', 'bob'].entries()) await a.asStranger('PUT', `${board}/${member}`, { score: i })
      deepEqual((await b.get<Line>(`${board}/ann?window=week`)).body, { member: 'ann', score: 0, rank: 2 })
      isProblem((await b.get<Problem>(`${board}/cat`)).body, 404, /cat has no score/)
    },
  },
]
