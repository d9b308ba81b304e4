export type { Duration, Key, RedisOption } from '@larder/core'
export type { Board, SetOptions } from './board.js'
export { type LeaderboardEvent, leaderboardChannel, type Operation, type Outcome } from './channel.js'
export { InvalidScoreError, UnavailableError } from './errors.js'
export type { Leaderboards } from './leaderboards.js'
export type { BoardOptions, LeaderboardOptions, Tie, WindowKind } from './options.js'
export {
  type LeaderboardsInstances,
  leaderboard,
  leaderboard as default,
  leaderboard as 'module.exports',
} from './plugin.js'
export type { Standing, Standings, TopOptions } from './standings.js'
