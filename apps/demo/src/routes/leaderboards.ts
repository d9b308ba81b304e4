import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { problems } from '../problem.js'
import { type Rankings, type RankingWindow, WINDOWS } from '../rankings.js'

const MAX_SCORE = Number.MAX_SAFE_INTEGER

const Name = Type.String({ pattern: '^[\\w.-]{1,64}$', description: 'Up to 64 letters, digits and `.-_`' })
const Member = Type.String({
  pattern: '^[\\w.@+ -]{1,64}$',
  description: 'Up to 64 letters, digits, spaces and `.@+-_`',
})
const Standing = Type.Object({
  member: Type.String(),
  score: Type.Number(),
  rank: Type.Integer({ description: 'From 1; of equal scores the first comes first' }),
})
const Window = Type.Unsafe<RankingWindow>(
  Type.String({
    enum: [...WINDOWS],
    default: 'all',
    description: 'Since when scores count: days, weeks from Monday and months of UTC',
  }),
)

/** Boards that anybody may score on, and the best-sellers. */
export const leaderboardRoutes: FastifyPluginAsyncTypebox<{ rankings: Rankings }> = async (app, { rankings }) => {
  app.get(
    '/leaderboards/:board',
    {
      schema: {
        tags: ['leaderboards'],
        summary: 'The best of a board',
        description: 'On `best-sellers` members are products, and scores are how many were sold.',
        params: Type.Object({ board: Name }),
        querystring: Type.Object({ window: Window, limit: Type.Integer({ minimum: 1, maximum: 100, default: 10 }) }),
        response: {
          200: Type.Object({
            board: Type.String(),
            window: Window,
            total: Type.Integer(),
            items: Type.Array(Standing),
          }),
          ...problems,
        },
      },
    },
    async ({ params, query: { window, limit } }) => {
      const board = rankings.board(params.board, window)
      const [items, total] = await Promise.all([board.top(limit), board.count()])
      return { board: params.board, window, total, items }
    },
  )

  app.get(
    '/leaderboards/:board/:member',
    {
      schema: {
        tags: ['leaderboards'],
        summary: 'Where a member stands',
        params: Type.Object({ board: Name, member: Member }),
        querystring: Type.Object({ window: Window }),
        response: { 200: Standing, ...problems },
      },
    },
    ({ params: { board, member }, query: { window } }) => rankings.standing(board, member, window),
  )

  app.put(
    '/leaderboards/:board/:member',
    {
      schema: {
        tags: ['leaderboards'],
        summary: 'Set a score',
        description: 'In all windows. `best-sellers` is fed by orders only: 409.',
        params: Type.Object({ board: Name, member: Member }),
        body: Type.Object(
          { score: Type.Number({ minimum: -MAX_SCORE, maximum: MAX_SCORE }) },
          { additionalProperties: false },
        ),
        response: { 200: Standing, ...problems },
      },
    },
    ({ params: { board, member }, body: { score } }) => rankings.set(board, member, score),
  )
}
