import type { WriteBehindNews } from './channel.js'
import { ClosedError, FullError, InDoubtError, InvalidValueError, UnavailableError } from './errors.js'
import type { Settings } from './options.js'
import { type Acknowledged, type Slot, Slots } from './slots.js'
import type { Coalesce, Shard } from './store.js'

/** Milliseconds between two attempts to write what Redis did not take. */
const RETRY = 50

/** What an outbox tells: news for the channel; that something was stored, and how much waits there where that is known. */
export interface OutboxHooks {
  readonly news: (news: WriteBehindNews) => void
  readonly stored: (size: number | undefined) => void
}

interface Drain {
  readonly pending: Set<Slot>
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/**
 * The way of a process's entries to a shard. One frame at a time, and everything that arrives meanwhile goes into the next one: so
 * what Redis did with a frame whose answer was lost is settled before anything else is written.
 */
export class Outbox {
  readonly #name: string
  readonly #shard: Shard
  readonly #settings: Settings
  readonly #hooks: OutboxHooks
  readonly #limit: number
  readonly #maxKept: number
  readonly #slots: Slots
  readonly #endUp: () => void
  readonly #drains = new Set<Drain>()
  /** Being written; or written, and the answer was not heard. */
  #frame: Slot[] | undefined
  #writing = false
  #scheduled = false
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(name: string, shard: Shard, coalesce: Coalesce, settings: Settings, hooks: OutboxHooks) {
    this.#name = name
    this.#shard = shard
    this.#settings = settings
    this.#hooks = hooks
    this.#limit = Math.floor(settings.maxPending / settings.shards)
    this.#maxKept = Math.ceil(settings.maxKept / settings.shards)
    this.#slots = new Slots(coalesce)
    this.#endUp = shard.onUp(() => {
      clearTimeout(this.#timer)
      this.#timer = undefined
      this.#schedule()
    })
  }

  /** How many entries acknowledged or not are not in the store yet. */
  get size(): number {
    return this.#slots.size + (this.#frame?.length ?? 0)
  }

  /** What of a key is not in the store yet, oldest first. */
  unsent(key: string): (number | string)[] {
    return [...(this.#frame ?? []), ...this.#slots].filter((slot) => slot.key === key).map(({ value }) => value)
  }

  /** Resolves once Redis has it, or it is kept. Rejects only when it was not taken, or with `maxKept: 0` when nobody knows. */
  add(key: string, value: number | string): Promise<Acknowledged> {
    if (this.#closed) return Promise.reject(new ClosedError(this.#name))
    if (!this.#slots.fits(key, value))
      return Promise.reject(new InvalidValueError(`The sum of \`${key}\` is beyond 2^53`))
    const isNew = !this.#slots.has(key)
    if (!this.#shard.up) {
      if (isNew && this.#slots.size >= this.#maxKept) return Promise.reject(this.#unavailable(1))
      this.#slots.add(key, value).kept = true
      this.#hooks.news({ type: 'kept', entries: 1 })
      return Promise.resolve('kept')
    }
    if (isNew && this.#slots.crowded && this.#slots.size >= this.#limit) return Promise.reject(this.#full(1))
    return new Promise((resolve, reject) => {
      this.#slots.add(key, value).waiters.push({ resolve, reject })
      this.#schedule()
    })
  }

  /** Resolves when the store has all that was added before; rejects when it cannot be reached. */
  drain(signal: AbortSignal): Promise<void> {
    const pending = new Set([...(this.#frame ?? []), ...this.#slots])
    if (pending.size === 0) return Promise.resolve()
    if (!this.#shard.up) return Promise.reject(new UnavailableError(this.#name, 'Redis is away'))
    this.#schedule()
    return new Promise((resolve, reject) => {
      const abort = (): void => end(() => reject(signal.reason))
      const end = (settle: () => void): void => {
        signal.removeEventListener('abort', abort)
        this.#drains.delete(drain)
        settle()
      }
      const drain = { pending, resolve: () => end(resolve), reject: (error: Error) => end(() => reject(error)) }
      this.#drains.add(drain)
      signal.addEventListener('abort', abort, { once: true })
      if (signal.aborted) abort()
    })
  }

  /** Takes no more; returns how many acknowledged entries the store never got. */
  close(): number {
    this.#closed = true
    this.#endUp()
    clearTimeout(this.#timer)
    const left = [...(this.#writing ? [] : (this.#frame ?? [])), ...this.#slots.clear()]
    for (const slot of left) this.#refuse(slot, new ClosedError(this.#name))
    return left.filter(({ kept }) => kept).length
  }

  #schedule(): void {
    if (this.#scheduled || this.#writing || this.#timer) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      void this.#pump()
    })
  }

  #later(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#schedule()
    }, RETRY)
  }

  async #pump(): Promise<void> {
    while (!this.#writing && !this.#closed && this.size > 0) {
      if (!this.#shard.up) return this.#away()
      this.#frame ??= this.#slots.frame()
      this.#writing = true
      const goesOn = await this.#write(this.#frame)
      this.#writing = false
      if (!goesOn) this.#later()
      if (!goesOn) return
    }
  }

  /** Whether the next frame may follow at once. */
  async #write(frame: Slot[]): Promise<boolean> {
    // What was acknowledged is never refused.
    const limit = frame[0]?.kept ? Number.MAX_SAFE_INTEGER : this.#limit
    try {
      const written = await this.#shard.write(frame, limit)
      this.#frame = undefined
      if (written.state === 'full') return this.#overflow(frame, written.refused)
      this.#slots.crowded = false
      for (const slot of frame) for (const { resolve } of slot.waiters) resolve('stored')
      this.#gone(frame)
      this.#hooks.news({ type: 'stored', entries: frame.length })
      this.#hooks.stored(written.size)
      return true
    } catch (error) {
      if (isAnswer(error)) this.#failed(frame, error)
      else this.#doubt(frame, error)
      return false
    }
  }

  /** Redis answered that it will not have it: it was not written. */
  #failed(frame: Slot[], cause: Error): void {
    this.#frame = undefined
    for (const slot of frame) {
      if (!slot.kept) this.#refuse(slot, new UnavailableError(this.#name, cause.message, { cause }))
    }
    this.#putBack(frame.filter(({ kept }) => kept))
  }

  /** Nobody knows whether it was written: it is written again, as the same frame, until that is known. */
  #doubt(frame: Slot[], cause: unknown): void {
    for (const slot of frame) {
      if (this.#maxKept > 0) this.#acknowledge(slot)
      for (const { reject } of slot.waiters) reject(new InDoubtError(this.#name, { cause }))
      slot.waiters = []
      slot.kept = true
    }
    this.#away()
  }

  /** Redis is away: what was not sent is kept up to the bound, the rest refused. */
  #away(): void {
    const over = this.#slots.keep(this.#maxKept, (slot) => this.#acknowledge(slot))
    if (over.length > 0) {
      const error = this.#unavailable(over.length)
      for (const slot of over) this.#refuse(slot, error)
    }
    for (const drain of this.#drains) drain.reject(new UnavailableError(this.#name, 'Redis is away'))
    if (this.size > 0) this.#later()
  }

  #acknowledge(slot: Slot): void {
    if (!slot.kept) this.#hooks.news({ type: 'kept', entries: 1 })
    slot.kept = true
    for (const { resolve } of slot.waiters) resolve('kept')
    slot.waiters = []
  }

  /** There is no room for some: they are refused, or wait in their place. What fits goes on alone. */
  #overflow(frame: Slot[], refused: number[]): boolean {
    const now = performance.now()
    const tight = new Set(refused.map((place) => frame[place] as Slot))
    const over: Slot[] = []
    for (const slot of tight) {
      slot.until ??= now + (this.#settings.onFull === 'wait' ? this.#settings.wait : 0)
      if (slot.until <= now) over.push(slot)
    }
    if (over.length > 0) {
      const error = this.#full(over.length)
      for (const slot of over) {
        tight.delete(slot)
        this.#refuse(slot, error)
      }
    }
    const places = new Set(refused)
    const fitting = frame.filter((_, place) => !places.has(place))
    if (fitting.length > 0) this.#frame = fitting
    this.#putBack([...tight])
    this.#slots.crowded = tight.size > 0
    this.#hooks.stored(this.#limit)
    return fitting.length > 0 || tight.size === 0
  }

  #putBack(frame: Slot[]): void {
    for (const [absorbed, by] of this.#slots.putBack(frame)) {
      for (const { pending } of this.#drains) if (pending.delete(absorbed)) pending.add(by)
    }
  }

  #refuse(slot: Slot, error: Error): void {
    for (const { reject } of slot.waiters) reject(error)
    slot.waiters = []
    this.#gone([slot])
  }

  #gone(slots: readonly Slot[]): void {
    for (const drain of this.#drains) {
      for (const slot of slots) drain.pending.delete(slot)
      if (drain.pending.size === 0) drain.resolve()
    }
  }

  #unavailable(entries: number): Error {
    this.#hooks.news({ type: 'refused', entries, reason: 'unavailable' })
    return new UnavailableError(this.#name, 'Redis is away, and as much is kept in memory as `maxKept` allows')
  }

  #full(entries: number): Error {
    this.#hooks.news({ type: 'refused', entries, reason: 'full' })
    return new FullError(this.#name, this.#settings.maxPending)
  }
}

/** Whether Redis itself said no; of everything else it is not known whether it was executed. */
function isAnswer(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError'
}
