// A board of the week: tsx example.ts, or with REDIS_URL on Redis.
import leaderboard from '@larder/leaderboard'
import Fastify from 'fastify'
import { Redis } from 'ioredis'

const app = Fastify()
const redis = process.env.REDIS_URL ? new Redis(process.env.REDIS_URL) : false
await app.register(leaderboard, { redis, timeZone: 'Europe/Berlin' })

app.post<{ Params: { player: string }; Body: { points: number } }>('/scores/:player', async (request) => {
  const board = app.leaderboards.board('game', { window: 'week' })
  return { score: await board.increment(request.params.player, request.body.points) }
})
app.get<{ Params: { player: string } }>('/scores/:player', async (request) => {
  const board = app.leaderboards.board('game', { window: 'week' })
  return board.around(request.params.player, 1)
})

for (const [player, points] of [
  ['ann', 3],
  ['bob', 5],
  ['cat', 3],
  ['ann', 0.5],
] as const) {
  await app.inject({ method: 'POST', url: `/scores/${player}`, payload: { points } })
}
console.log((await app.inject('/scores/ann')).json())
await app.close()
if (redis) redis.disconnect()
