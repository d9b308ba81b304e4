import leaderboard from '@larder/leaderboard'
import { startRedis } from '@larder/test-redis'
import fastify from 'fastify'
import { type Contender, compare } from './harness.js'
import type { Result, Suite } from './suite.js'

const MEMBERS = 1_000_000
const CHUNK = 1_000

function numbered(i: number): string {
  return `member:${i}`
}

/** A member that no two runs of a round share, spread over the board. */
function picked(i: number): string {
  return numbered((i * 7_919) % MEMBERS)
}

function alone(name: string, one: (member: string) => Promise<unknown>): Contender {
  return {
    name,
    run: async (times) => {
      for (let i = 0; i < times; i++) await one(picked(i))
    },
  }
}

function together(name: string, one: (member: string) => Promise<unknown>): Contender {
  return {
    name,
    run: async (times) => {
      for (let i = 0; i < times; i += 100) {
        await Promise.all(Array.from({ length: 100 }, (_, j) => one(picked(i + j))))
      }
    },
  }
}

async function inChunks(one: (i: number) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < MEMBERS; i += CHUNK) await Promise.all(Array.from({ length: CHUNK }, (_, j) => one(i + j)))
}

/** The ten best, a member's rank and its increments among a million, beside the raw commands over a plain sorted set. */
export const leaderboards: Suite = {
  name: 'leaderboard',
  run: async () => {
    const server = await startRedis()
    const raw = server.client()
    const pipelined = server.client({ enableAutoPipelining: true })
    const app = fastify()
    await app.register(leaderboard, { redis: server.client(), deadline: '10s' })
    const board = app.leaderboards.board('bench')
    const memory = async (): Promise<number> => Number(/used_memory:(\d+)/.exec(await raw.info('memory'))?.[1])
    const empty = await memory()
    await inChunks((i) => pipelined.zadd('plain', i % 50_000, numbered(i)))
    const plain = await memory()
    await inChunks((i) => board.set(numbered(i), i % 50_000))
    const full = await memory()

    const top = (client: typeof raw) => () => client.zrevrange('plain', 0, 9, 'WITHSCORES')
    const rank = (client: typeof raw) => (member: string) =>
      Promise.all([client.zrevrank('plain', member), client.zscore('plain', member)])
    const rankAlone = (client: typeof raw) => (member: string) => client.zrevrank('plain', member)
    const ours = (member: string) => board.rank(member)
    const best = () => board.top(10)
    const results: Result[] = [
      ...(await compare({
        name: `top(10) of ${MEMBERS}, one at a time`,
        baseline: alone('ZREVRANGE WITHSCORES', top(raw)),
        contenders: [alone('top(10)', best)],
        goal: 0.8,
        times: 3_000,
      })),
      ...(await compare({
        name: `top(10) of ${MEMBERS}, 100 at once`,
        baseline: together('ZREVRANGE WITHSCORES, auto-pipelined', top(pipelined)),
        contenders: [together('top(10)', best)],
        goal: 0.8,
        times: 6_000,
      })),
      ...(await compare({
        name: `rank among ${MEMBERS}, one at a time`,
        baseline: alone('ZREVRANK and ZSCORE', rank(raw)),
        contenders: [alone('rank', ours), alone('ZREVRANK without the score', rankAlone(raw))],
        goal: 0.8,
        times: 3_000,
      })),
      ...(await compare({
        name: `rank among ${MEMBERS}, 100 at once`,
        baseline: together('ZREVRANK and ZSCORE, auto-pipelined', rank(pipelined)),
        contenders: [together('rank', ours), together('ZREVRANK without the score', rankAlone(pipelined))],
        goal: 0.8,
        times: 6_000,
      })),
      ...(await compare({
        name: `increment among ${MEMBERS}, one at a time`,
        baseline: alone('ZINCRBY, which may count twice', (member) => raw.zincrby('plain', 1, member)),
        contenders: [alone('increment', (member) => board.increment(member))],
        goal: 0.6,
        times: 3_000,
      })),
      ...(await compare({
        name: `increment among ${MEMBERS}, 100 at once`,
        baseline: together('ZINCRBY, auto-pipelined', (member) => pipelined.zincrby('plain', 1, member)),
        contenders: [together('increment', (member) => board.increment(member))],
        goal: 0.5,
        times: 6_000,
      })),
      {
        name: 'bytes a member in Redis',
        value: `${Math.round((full - plain) / MEMBERS)}, a plain sorted set ${Math.round((plain - empty) / MEMBERS)}`,
        goal: '<= 260',
        reached: (full - plain) / MEMBERS <= 260,
      },
    ]
    await app.close()
    await server.stop()
    return results
  },
}
