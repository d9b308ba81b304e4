/** A label and the values that it can have; without values it is a name that the application chose, of which the first 100 count. */
export interface Label {
  readonly name: string
  readonly values?: readonly string[]
}

/** What a series is called, says and is labelled with. Base units: seconds and bytes. */
export interface Series {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly name: string
  readonly help: string
  readonly labels: readonly Label[]
  /** Upper bounds of a histogram. */
  readonly buckets: readonly number[]
}

const CACHE: Label = { name: 'cache' }
const ROUTE: Label = { name: 'route' }
const LOCK: Label = { name: 'lock' }
const SESSIONS: Label = { name: 'sessions' }
const LIMITER: Label = { name: 'limiter' }
const EVENTS: Label = { name: 'events' }
const BOARDS: Label = { name: 'leaderboards' }
const WRITE_BEHIND: Label = { name: 'write_behind' }
const QUEUE: Label = { name: 'queue' }
const CARRIER = label('carrier', 'topic', 'stream')

/** Seconds of a round trip to Redis. */
const TRIPS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1]
/** Seconds of work in a database or with another service. */
const WORK = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** Seconds that people and locks wait. */
const WAITS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60]
const BYTES = [128, 512, 2_048, 8_192, 32_768, 131_072, 524_288, 2_097_152, 8_388_608]

/** How a call of a cache was answered. */
export const RESULTS: readonly ['hit', 'stale', 'miss', 'coalesced', 'bypass', 'error'] = [
  'hit',
  'stale',
  'miss',
  'coalesced',
  'bypass',
  'error',
]

/** How a request was answered, in the words of `Cache-Status` where it has one. */
export const STATUSES: readonly ['hit', 'stale', 'miss', 'revalidated', 'collapsed', 'bypass', 'error'] = [
  'hit',
  'stale',
  'miss',
  'revalidated',
  'collapsed',
  'bypass',
  'error',
]

// Every series there is. Names, labels and their values are the contract with dashboards and alerts.

export const cacheRequests: Series = counter(
  'cache_requests_total',
  'Calls by how they were answered.',
  CACHE,
  label('result', ...RESULTS),
)
export const cacheHits: Series = counter(
  'cache_hits_total',
  'Fresh answers by where they were.',
  CACHE,
  label('layer', 'memory', 'store'),
)
export const cacheLoads: Series = histogram(
  'cache_load_duration_seconds',
  'Loads of what was missing or stale.',
  WORK,
  CACHE,
  label('outcome', 'success', 'error'),
)
export const cacheWrites: Series = counter(
  'cache_writes_total',
  'Values written by the application.',
  CACHE,
  label('kind', 'set', 'write-through'),
)
export const cacheInvalidations: Series = counter(
  'cache_invalidations_total',
  'Calls that emptied entries or made them stale; by tag see tag_invalidations_total.',
  CACHE,
  label('kind', 'delete', 'expire', 'pattern', 'clear'),
)
export const cacheBytes: Series = histogram(
  'cache_value_bytes',
  'Sizes of the values put into the store, as they are kept.',
  BYTES,
  CACHE,
)
export const cacheEvictions: Series = counter(
  'cache_memory_evictions_total',
  'Copies that had to leave the memory of this process.',
  CACHE,
)
export const cacheEntries: Series = gauge('cache_memory_entries', 'Copies in the memory of this process.', CACHE)
export const cacheMemory: Series = gauge(
  'cache_memory_bytes',
  'Estimated bytes of the copies in the memory of this process.',
  CACHE,
)
export const feedTrusted: Series = gauge('cache_feed_trusted', '1 while this process hears of all changes.', CACHE)
export const feedLag: Series = gauge(
  'cache_feed_lag_seconds',
  'Time since the feed was last known to be complete; absent while it is not trusted.',
  CACHE,
)
export const outbox: Series = gauge('cache_outbox_length', 'Invalidations that Redis has not acknowledged.', CACHE)
export const feedDistrusts: Series = counter('feed_distrusts_total', 'Times that the feed was lost.')
export const feedHeard: Series = counter('feed_heard_total', 'Messages of the feed.')
export const tagInvalidations: Series = counter(
  'tag_invalidations_total',
  'Calls of tags.invalidate().',
  label('mode', 'hard', 'soft'),
)
export const httpRequests: Series = counter(
  'http_cache_requests_total',
  'Requests for routes whose responses are kept, by how they were answered.',
  CACHE,
  ROUTE,
  label('status', ...STATUSES),
)
export const httpTimes: Series = histogram(
  'http_cache_request_duration_seconds',
  'Such requests from the lookup to the answer.',
  WORK,
  CACHE,
  label('status', ...STATUSES),
)
export const httpRefreshes: Series = counter(
  'http_cache_refreshes_total',
  'Runs of handlers in the background, for responses that were served stale.',
  CACHE,
)
export const httpPurges: Series = counter(
  'http_cache_purges_total',
  'Purges; unsafe: by a request that may have changed something.',
  CACHE,
  label('what', 'url', 'tags', 'unsafe', 'all'),
)
export const redisUp: Series = gauge(
  'redis_up',
  '1 while the commands of all clients in use are let through: the breaker is closed. Absent in memory.',
)
export const redisChanges: Series = counter(
  'redis_breaker_changes_total',
  'Times that the breaker opened (down) or closed (up).',
  label('to', 'up', 'down'),
)
export const redisCommands: Series = histogram(
  'redis_command_duration_seconds',
  'Round trips of the commands that plugins sent.',
  TRIPS,
  label('outcome', 'ok', 'refused', 'timeout', 'unavailable'),
)
export const lockAcquires: Series = counter(
  'lock_acquire_total',
  'Attempts to acquire a lock.',
  LOCK,
  label('result', 'acquired', 'contended', 'timeout', 'aborted', 'unavailable', 'replicas'),
)
export const lockWaits: Series = histogram('lock_wait_seconds', 'Waits for locks, also in vain.', WAITS, LOCK)
export const lockHolds: Series = histogram('lock_hold_seconds', 'How long locks were held.', WAITS, LOCK)
export const lockLosses: Series = counter(
  'lock_lost_total',
  'Leases that ended while they were held.',
  LOCK,
  label('reason', 'deadline', 'expired', 'stolen', 'closed'),
)
export const lockHeld: Series = gauge('lock_held', 'Locks that this process holds.', LOCK)
export const lockWaiting: Series = gauge('lock_waiting', 'Calls of this process that wait for a lock.', LOCK)
export const sessionLoads: Series = counter(
  'session_store_total',
  'Sessions that were asked for.',
  SESSIONS,
  label('result', 'live', 'absent', 'moved', 'damaged', 'unavailable'),
)
export const sessionChanges: Series = counter(
  'session_changes_total',
  'What happened to sessions.',
  SESSIONS,
  label('change', 'created', 'saved', 'touched', 'rotated', 'dropped'),
)
export const sessionEnds: Series = counter(
  'session_ended_total',
  'Sessions that ended before their time.',
  SESSIONS,
  label('reason', 'logout', 'revoked', 'evicted', 'replaced'),
)
export const limits: Series = counter(
  'ratelimit_decisions_total',
  'Decisions on requests.',
  LIMITER,
  label('decision', 'allowed', 'limited', 'banned'),
  label('source', 'redis', 'memory', 'local', 'open'),
)
export const limitErrors: Series = counter(
  'ratelimit_errors_total',
  'Requests whose limit Redis could not be asked for.',
  LIMITER,
  label('answer', 'local', 'open', 'closed'),
)
export const eventsSent: Series = counter(
  'events_sent_total',
  'Payloads that were published or added.',
  EVENTS,
  CARRIER,
  label('outcome', 'sent', 'failed'),
)
export const eventGaps: Series = counter(
  'events_gaps_total',
  'Times that a subscriber was told that something may be missing.',
  EVENTS,
  CARRIER,
  label('reason', 'connection', 'slow', 'trimmed'),
)
export const eventsInvalid: Series = counter(
  'events_invalid_total',
  'Payloads that could not be read.',
  EVENTS,
  CARRIER,
)
export const eventsHandled: Series = counter(
  'events_handled_total',
  'Entries that a consumer group handled, failed at, or gave up.',
  EVENTS,
  label('outcome', 'handled', 'retried', 'buried'),
)
export const eventTimes: Series = histogram(
  'events_handle_duration_seconds',
  'Handlers of consumer groups, also failing ones.',
  WORK,
  EVENTS,
)
export const queueEntries: Series = counter(
  'write_behind_entries_total',
  'Entries of counters and queues: taken by Redis, kept while it was away, refused (full, unavailable), lost, flushed, given up (dead).',
  WRITE_BEHIND,
  QUEUE,
  label('outcome', 'stored', 'kept', 'full', 'unavailable', 'lost', 'flushed', 'dead'),
)
export const queueFlushes: Series = histogram(
  'write_behind_flush_duration_seconds',
  'Attempts to flush a batch; dead: the last one of a batch that is now a dead letter.',
  WORK,
  WRITE_BEHIND,
  QUEUE,
  label('outcome', 'flushed', 'failed', 'dead'),
)
export const queueLength: Series = gauge(
  'write_behind_queue_length',
  'Entries that wait in Redis besides the batch that is being flushed, as this process last heard.',
  WRITE_BEHIND,
  QUEUE,
)
export const queueUnsent: Series = gauge(
  'write_behind_unsent',
  'Entries of this process that are not in Redis yet.',
  WRITE_BEHIND,
  QUEUE,
)
export const boardCalls: Series = counter(
  'leaderboard_calls_total',
  'Calls of leaderboards.',
  BOARDS,
  label('operation', 'increment', 'set', 'remove', 'clear', 'top', 'rank', 'around', 'count', 'window'),
  label('outcome', 'ok', 'error', 'unavailable'),
)
export const boardTimes: Series = histogram(
  'leaderboard_call_duration_seconds',
  'Calls of leaderboards.',
  TRIPS,
  BOARDS,
)

function label(name: string, ...values: string[]): Label {
  return { name, values }
}

function counter(name: string, help: string, ...labels: Label[]): Series {
  return { kind: 'counter', name, help, labels, buckets: [] }
}

function gauge(name: string, help: string, ...labels: Label[]): Series {
  return { kind: 'gauge', name, help, labels, buckets: [] }
}

function histogram(name: string, help: string, buckets: readonly number[], ...labels: Label[]): Series {
  return { kind: 'histogram', name, help, labels, buckets }
}
