import type { Channel } from 'node:diagnostics_channel'
import { larderChannel } from '@larder/core'

/** What was asked of a board. */
export type Operation = 'increment' | 'set' | 'remove' | 'clear' | 'top' | 'rank' | 'around' | 'count' | 'window'

/** How it was answered: `error`: bad arguments; `unavailable`: Redis away. */
export type Outcome = 'ok' | 'error' | 'unavailable'

/** What is published on the diagnostics channel `larder:leaderboard`, once a call, when it has settled. */
export interface LeaderboardEvent {
  /** The application: its `fastify.server`. */
  readonly app: object
  /** The registration: its `name`, else its namespace. */
  readonly leaderboards: string
  /** The board's name; may come from users, so it is no label for metrics. */
  readonly board: string
  readonly operation: Operation
  readonly outcome: Outcome
  readonly milliseconds: number
}

/** With no subscriber, publishing costs one property check. */
export const leaderboardChannel: Channel = larderChannel('leaderboard')
