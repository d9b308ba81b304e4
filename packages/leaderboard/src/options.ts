import { type Duration, OptionReader, type RedisOption } from '@larder/core'
import { isTimeZone } from './calendar.js'

/** Since when scores count. Days begin at midnight, weeks on Monday, months on the first, in the board's time zone. */
export type WindowKind = 'all' | 'day' | 'week' | 'month'

/** Who of those with equal scores comes first: who reached it first, or last. */
export type Tie = 'first' | 'last'

/** Options of {@link Leaderboards.board}. All processes should say the same of a board. */
export interface BoardOptions {
  /** `'all'`: scores count for ever. Default `'all'`. */
  window?: WindowKind
  /** Windows that can still be read, the current one included; older ones expire. Default 8. */
  keep?: number
  /** Default `'first'`. */
  tie?: Tie
  /** IANA name of the zone whose midnight ends a window. Default that of the registration. */
  timeZone?: string
}

/** Options of `app.register(leaderboard, options)`. */
export interface LeaderboardOptions {
  /** An ioredis client, a namespace of `@fastify/redis`, or `false` for memory. Default: `fastify.redis`, else memory. */
  redis?: RedisOption
  /** A second instance, as `fastify.leaderboards.<name>`; also its name in metrics (default: the namespace). */
  name?: string
  /** First part of every key. Default `'larder'`. */
  namespace?: string
  /** What a question to Redis may take before it rejects with `LARDER_LEADERBOARD_UNAVAILABLE`. Default `'1s'`. */
  deadline?: Duration
  /** Time zone of boards that name none. Default `'UTC'`. */
  timeZone?: string
  /** Which window is the current one, in milliseconds since 1970: for tests and imports. Default: the time of the Redis server. */
  clock?: () => number
}

/** Complete options of a board. */
export interface ResolvedBoard {
  readonly window: WindowKind
  readonly keep: number
  readonly tie: Tie
  readonly timeZone: string
}

/** Complete options; `deadline` in milliseconds. */
export interface ResolvedOptions {
  readonly redis: unknown
  readonly name: string | undefined
  readonly namespace: string
  readonly deadline: number
  readonly timeZone: string
  readonly clock: (() => number) | undefined
}

/** Reads, checks and completes the options. Throws `LARDER_INVALID_OPTION`. */
export function resolveOptions(raw: unknown): ResolvedOptions {
  const reader = new OptionReader(raw)
  const options: ResolvedOptions = {
    redis: reader.raw('redis'),
    name: reader.string('name', undefined),
    namespace: reader.namespace('namespace', 'larder'),
    deadline: reader.duration('deadline', 1_000),
    timeZone: readTimeZone(reader, 'UTC'),
    clock: reader.function<() => number, undefined>('clock', undefined),
  }
  reader.done()
  return Object.freeze(options)
}

/** Reads, checks and completes the options of a board. Throws `LARDER_INVALID_OPTION`. */
export function resolveBoard(raw: unknown, timeZone: string): ResolvedBoard {
  const reader = new OptionReader(raw)
  const options: ResolvedBoard = {
    window: readOne<WindowKind>(reader, 'window', ['all', 'day', 'week', 'month']),
    keep: reader.integer('keep', 8),
    tie: readOne<Tie>(reader, 'tie', ['first', 'last']),
    timeZone: readTimeZone(reader, timeZone),
  }
  reader.done()
  return Object.freeze(options)
}

/** One of these words; the first is the default. */
function readOne<T extends string>(reader: OptionReader, name: string, words: readonly [T, ...T[]]): T {
  const rule = `one of ${words.map((word) => `\`'${word}'\``).join(', ')}`
  return reader.value(name, rule, (value): value is T => words.includes(value as T), words[0])
}

function readTimeZone(reader: OptionReader, fallback: string): string {
  return reader.value('timeZone', "a time zone such as `'Europe/Berlin'`", isTimeZone, fallback)
}
