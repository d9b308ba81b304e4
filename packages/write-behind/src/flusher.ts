import { type Batch, countEntries, type Flush, readEntries } from './batch.js'
import type { WriteBehindNews } from './channel.js'
import { delay } from './delay.js'
import { AbandonedError, ClosedError, DeadLetterError } from './errors.js'
import type { Settings } from './options.js'
import type { Coalesce, How, Outcome, RawBatch, Shard, Taken } from './store.js'

/** Milliseconds between two looks of a process at a shard in which nothing waits, at least. */
const REST = 1_000
/** What a timer can wait at most. */
const LONGEST = 2 ** 31 - 1
/** Milliseconds between two looks of a barrier whose batch others flush. */
const LOOK = 25

/** What a flusher is made with. */
export interface FlusherOptions {
  readonly name: string
  readonly shardNumber: number
  readonly shard: Shard
  readonly coalesce: Coalesce
  readonly settings: Settings
  /** `false`: others flush. */
  readonly flush: Flush<never> | false
  readonly news: (news: WriteBehindNews) => void
  /** Tells that nothing waits, besides a batch that was taken. */
  readonly emptied: () => void
  /** Tells the log what went wrong. */
  readonly warn: (details: object, message: string) => void
}

/** Flushes a shard when this process gets its lease. */
export class Flusher {
  readonly #options: FlusherOptions
  readonly #closing = new AbortController()
  #running: Promise<Taken> | undefined
  #timer: NodeJS.Timeout | undefined
  #resting = false
  #hurrying = false
  /** The last batch that was written here: should its end not have reached Redis, it is not written once more. */
  #written: string | undefined

  constructor(options: FlusherOptions) {
    this.#options = options
    // What an earlier process left is looked for at once.
    this.#schedule(0)
  }

  /** Something waits: look when it is due. */
  wake(): void {
    if (this.#resting) this.#schedule(this.#options.settings.every)
  }

  /** So much waits that it should be flushed before it is due. */
  hurry(): void {
    if (!this.#options.flush || this.#hurrying) return
    this.#hurrying = true
    void this.#afterThis()
      .then(() => {
        this.#hurrying = false
        return this.#step('now')
      })
      .then(() => this.#schedule(0), this.#onError)
  }

  /**
   * Resolves when all that waits at this moment has been flushed, here or by others.
   *
   * @throws `LARDER_WRITE_BEHIND_DEAD_LETTER` when a batch of it failed for good
   */
  async barrier(signal: AbortSignal): Promise<void> {
    const { shard, flush, name } = this.#options
    const { goal, done } = await shard.take('look')
    for (;;) {
      const taken = flush ? await within(signal, this.#step('now')) : await shard.take('look')
      if (taken.dead > done && taken.dead <= goal) throw new DeadLetterError(name)
      if (taken.done >= goal) return
      if (taken.state !== 'batch') await delay(Math.min(Math.max(taken.wait, 1), LOOK), signal)
    }
  }

  /** Gives up a batch that is being flushed, for the next process. */
  async close(): Promise<void> {
    clearTimeout(this.#timer)
    this.#closing.abort(new AbandonedError('of this process', 'the application is closed'))
    await this.#running?.catch(() => {})
    clearTimeout(this.#timer)
  }

  readonly #onError = (): void => this.#schedule(REST)

  #schedule(wait: number): void {
    clearTimeout(this.#timer)
    if (this.#closing.signal.aborted || !this.#options.flush) return
    this.#resting = false
    this.#timer = setTimeout(
      () => {
        this.#step('due').then((taken) => this.#next(taken), this.#onError)
      },
      Math.min(wait, LONGEST),
    ).unref()
  }

  #next(taken: Taken): void {
    const { every } = this.#options.settings
    const longest = Math.max(every, REST)
    this.#schedule(taken.state === 'batch' ? 0 : taken.state === 'idle' ? longest : Math.min(taken.wait, longest))
    this.#resting = taken.state === 'idle'
  }

  async #afterThis(): Promise<void> {
    await this.#running?.catch(() => {})
  }

  /** One at a time; who comes meanwhile shares it. */
  #step(how: How): Promise<Taken> {
    if (this.#closing.signal.aborted) return Promise.reject(new ClosedError(this.#options.name))
    this.#running ??= this.#take(how).finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  async #take(how: How): Promise<Taken> {
    const { shard, emptied } = this.#options
    const taken = await shard.take(how)
    if (taken.state === 'idle') emptied()
    if (taken.state !== 'batch') return taken
    if (taken.batch.attempt === 1) emptied()
    const ended = await this.#attempt(taken.batch)
    const { number } = taken.batch
    if (ended === 'failed' || ended === 'released') return taken
    return { ...taken, done: number, dead: ended === 'dead' ? number : taken.dead }
  }

  async #attempt(raw: RawBatch): Promise<Outcome['state']> {
    const { shard, settings, coalesce, news } = this.#options
    const entries = countEntries(raw, coalesce)
    const begun = performance.now()
    const outcome = await this.#flush(raw)
    const took = performance.now() - begun
    const { id, attempt } = raw
    if (outcome.state === 'flushed') {
      this.#written = id
      news({ type: 'flushed', id, entries, attempt, took })
      await shard.settle(raw, { state: 'done' })
      return 'done'
    }
    const { error } = outcome
    let end: Outcome
    if (this.#closing.signal.aborted) end = { state: 'released' }
    else if (attempt >= settings.attempts || !settings.retry(error, attempt)) {
      end = { state: 'dead', error: describe(error) }
      news({ type: 'dead', id, entries, attempt, took, error })
    } else {
      const retryIn = backOff(settings, attempt)
      end = { state: 'failed', retryIn }
      news({ type: 'failed', id, entries, attempt, took, retryIn, error })
    }
    this.#options.warn({ err: error, batch: id, attempt, entries }, `larder: a batch was not flushed (${end.state})`)
    await shard.settle(raw, end)
    return end.state
  }

  async #flush(raw: RawBatch): Promise<{ state: 'flushed' } | { state: 'failed'; error: unknown }> {
    const { name, shardNumber, shard, coalesce, settings, flush } = this.#options
    const { id, attempt } = raw
    const entries = readEntries(raw.entries, coalesce)
    if (id === this.#written || entries.size === 0) return { state: 'flushed' }
    if (attempt > settings.attempts)
      return { state: 'failed', error: new AbandonedError(id, `${attempt - 1} attempts ended without a word`) }
    const given = new AbortController()
    const giveUp = (reason: string): void => given.abort(new AbandonedError(id, reason))
    const lease = new Renewal(shard, raw, settings.lease, () => giveUp('its lease was lost'))
    const limit = setTimeout(() => giveUp(`it took longer than ${settings.timeout} ms`), settings.timeout)
    const signal = AbortSignal.any([given.signal, this.#closing.signal])
    const fencingToken = BigInt(raw.fence)
    const batch: Batch<unknown> = { id, entries, attempt, fencingToken, signal, name, shard: shardNumber }
    const work = (async () => (flush as Flush<unknown>)(batch))()
    try {
      await within(signal, work)
      return { state: 'flushed' }
    } catch (error) {
      // Who does not listen to the signal may be through later: then nobody needs to try again.
      if (signal.aborted) void work.then(() => shard.settle(raw, { state: 'done' })).catch(() => {})
      return { state: 'failed', error }
    } finally {
      clearTimeout(limit)
      lease.end()
    }
  }
}

/** Prolongs the lease of a batch while it is flushed. */
class Renewal {
  readonly #timer: NodeJS.Timeout
  #until: number

  constructor(shard: Shard, batch: RawBatch, lease: number, lost: () => void) {
    this.#until = performance.now() + lease
    this.#timer = setInterval(async () => {
      const asked = performance.now()
      const renewed = await shard.renew(batch).catch(() => undefined)
      if (renewed) this.#until = asked + lease
      if (renewed === false || performance.now() >= this.#until) lost()
    }, lease / 3).unref()
  }

  end(): void {
    clearInterval(this.#timer)
  }
}

function backOff({ retryDelay, maxRetryDelay }: Settings, attempt: number): number {
  return Math.round(Math.min(retryDelay * 2 ** (attempt - 1), maxRetryDelay) * (1 - Math.random() / 2))
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}

/** The promise, unless the signal is aborted before; its rejection is never unhandled. */
function within<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}
