import { FOR, fieldOf } from './entries.js'
import type { Handler } from './handler.js'
import type { ConsumeTerms } from './options.js'
import { messageOf } from './parcel.js'
import { type Delivery, type Harvest, HEADER, type Member, type Ownership } from './store.js'
import type { Workshop } from './workshop.js'

/** An entry that this consumer holds. */
interface Held extends Delivery {
  attempt: number
  readonly controller: AbortController
  ownership: Ownership
  /** Under way in a handler; waiting for its next attempt; done with, but Redis does not know yet. */
  state: 'running' | 'waiting' | 'due' | 'done'
  timer?: NodeJS.Timeout
}

/** Entries that may wait for another attempt beside those in handlers: with more, nothing new is taken. */
const WAITING = 100
/** Milliseconds until Redis is asked again after it could not be. */
const RETRY_FIRST = 50
const RETRY_LAST = 1_000
/** Longest text of an error that is kept with a dead letter. */
const REASON = 500
/** Fields that are kept of a dead letter, which are more than anybody's. */
const FIELDS = 2_000

/** What a {@link Consumer} is made of. */
export interface ConsumerParts<T> {
  readonly workshop: Workshop
  readonly member: Member
  readonly stream: string
  readonly group: string
  readonly handler: Handler<T>
  readonly terms: ConsumeTerms
}

/**
 * A consumer of a group: every entry of the stream goes to one of its consumers, at least once. An entry whose consumer died goes to
 * another one; one whose handler fails is tried again after a while, and is a dead letter in the end.
 */
export class Consumer<T = unknown> implements AsyncDisposable {
  readonly group: string
  readonly #parts: ConsumerParts<T>
  readonly #held = new Map<string, Held>()
  readonly #stopping = new AbortController()
  readonly #work: Promise<void>
  #changed: (() => void) | undefined
  #stopped: Promise<void> | undefined
  readonly #forget: () => void
  #claimAt = 0
  #recover = false
  /** The time to stop is over. */
  #over = false

  /** Use {@link Stream.consume}. */
  constructor(parts: ConsumerParts<T>) {
    this.group = parts.group
    this.#parts = parts
    this.#forget = parts.workshop.consuming(this)
    this.#work = this.#run()
  }

  /** How many entries it holds: in handlers, and waiting for another attempt. */
  get held(): number {
    return this.#held.size
  }

  /**
   * Takes no more entries, waits for the handlers under way (`stopTimeout` at most, then their signals are aborted), and lets others
   * have the rest. Resolves always.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop().finally(() => this.#forget())
    return this.#stopped
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #run(): Promise<void> {
    const { member, terms } = this.#parts
    let from: string | undefined = terms.from
    const holding = setInterval(() => void this.#hold(), terms.claimAfter / 3).unref()
    for (let wait = RETRY_FIRST; !this.#stopping.signal.aborted; ) {
      try {
        if (from !== undefined) await member.join(from)
        from = undefined
        await this.#round()
        wait = RETRY_FIRST
      } catch (error) {
        // A group that was lost with its stream has handled nothing of what is there now.
        if (/NOGROUP|no such key/.test(messageOf(error))) from ??= '0-0'
        // What the lost answer held is ours, and nobody else will have it before long.
        this.#recover = true
        await this.#pause(wait)
        wait = Math.min(2 * wait, RETRY_LAST)
      }
    }
    clearInterval(holding)
  }

  async #round(): Promise<void> {
    const { member, terms } = this.#parts
    const room = this.#room()
    if (room === 0) {
      await this.#pause(terms.claimAfter / 3)
      return
    }
    if (this.#recover) {
      this.#accept(await member.recover())
      this.#recover = false
      return
    }
    if (performance.now() >= this.#claimAt) {
      const harvest = await member.claim(terms.claimAfter, room)
      this.#accept(harvest)
      // As long as there are some, there may be more.
      if (harvest.deliveries.length < room) this.#claimAt = performance.now() + terms.claimAfter / 4
      if (harvest.deliveries.length > 0) return
    }
    this.#accept(await member.take(room))
  }

  #room(): number {
    const { concurrency } = this.#parts.terms
    const busy = [...this.#held.values()].filter(({ state }) => state === 'running' || state === 'due').length
    return Math.max(0, Math.min(concurrency - busy, concurrency + WAITING - this.#held.size))
  }

  #accept({ deliveries, missed }: Harvest): void {
    const { workshop, stream, terms } = this.#parts
    if (missed > 0) workshop.gap('stream', stream, 'trimmed', terms.onGap)
    for (const { entry, attempt } of deliveries) {
      if (this.#held.has(entry.id)) continue
      const held: Held = { entry, attempt, controller: new AbortController(), ownership: 'ours', state: 'due' }
      this.#held.set(entry.id, held)
    }
    this.#pump()
  }

  /** Runs what is due, as far as others leave room. */
  #pump(): void {
    let running = [...this.#held.values()].filter(({ state }) => state === 'running').length
    for (const held of this.#held.values()) {
      if (running >= this.#parts.terms.concurrency || this.#stopping.signal.aborted) break
      if (held.state !== 'due') continue
      running++
      held.state = 'running'
      void this.#handle(held)
    }
    this.#changed?.()
  }

  async #handle(held: Held): Promise<void> {
    const { workshop, stream, group, handler, terms } = this.#parts
    const { entry, attempt } = held
    const begun = performance.now()
    const target = fieldOf(entry.fields, FOR)
    if (target !== undefined && target !== group) return this.#finish(held, 'acknowledge')
    const opened = await entry.parcel.open(terms.schema)
    if (opened.state === 'invalid') {
      workshop.invalid(entry.parcel, opened, { carrier: 'stream', name: stream, onInvalid: terms.onInvalid })
      return this.#finish(held, 'bury', opened.reason)
    }
    // It killed who had it, over and over.
    if (attempt > terms.attempts) return this.#finish(held, 'bury', 'its handlers did not live to tell')
    const { id, payload } = opened.item as { id: string; payload: T }
    try {
      await handler({ id, payload, attempt, signal: held.controller.signal })
    } catch (error) {
      const took = performance.now() - begun
      workshop.tell({ type: 'retried', carrier: 'stream', name: stream, group, attempt, took })
      workshop.log.warn({ err: error, stream, group, id, attempt }, 'larder: the handler of an event failed')
      if (attempt >= terms.attempts) return this.#finish(held, 'bury', messageOf(error))
      return this.#postpone(held)
    }
    const took = performance.now() - begun
    workshop.tell({ type: 'handled', carrier: 'stream', name: stream, group, attempt, took })
    return this.#finish(held, 'acknowledge')
  }

  /** Tells Redis what became of an entry, as often as it takes: until then it is held. */
  async #finish(held: Held, act: 'acknowledge' | 'bury', reason = ''): Promise<void> {
    const { workshop, member, stream, group, terms } = this.#parts
    const { entry, attempt } = held
    held.state = 'done'
    this.#pump()
    for (let wait = RETRY_FIRST; ; wait = Math.min(2 * wait, RETRY_LAST)) {
      try {
        if (act === 'acknowledge') await member.acknowledge(entry.id)
        else {
          const header = [entry.parcel.id ?? entry.id, String(attempt), String(Date.now()), reason.slice(0, REASON)]
          const fields = [...HEADER.flatMap((name, i) => [name, header[i] as string]), ...entry.fields]
          await member.bury(entry, fields.slice(0, FIELDS), terms.maxDeadLetters)
          workshop.tell({ type: 'buried', carrier: 'stream', name: stream, group, attempt })
        }
        break
      } catch (error) {
        if (this.#over || /NOGROUP|no such key/.test(messageOf(error))) break
        await new Promise((resolve) => setTimeout(resolve, wait).unref())
      }
    }
    this.#held.delete(entry.id)
    this.#changed?.()
  }

  /** Tries an entry again, later. */
  #postpone(held: Held): void {
    const { first, longest } = this.#parts.terms.backoff
    held.state = 'waiting'
    held.timer = setTimeout(() => void this.#retake(held), Math.min(first * 2 ** (held.attempt - 1), longest)).unref()
    this.#pump()
  }

  async #retake(held: Held): Promise<void> {
    const { member } = this.#parts
    if (this.#stopping.signal.aborted) return
    const attempt = held.attempt + 1
    try {
      held.ownership = await member.retake(held.entry.id, attempt)
    } catch {
      held.timer = setTimeout(() => void this.#retake(held), RETRY_LAST).unref()
      return
    }
    if (held.ownership === 'stolen') this.#held.delete(held.entry.id)
    // Trimmed meanwhile: it lives on here, and nobody else can have it.
    else {
      held.attempt = attempt
      held.state = 'due'
    }
    this.#pump()
  }

  /** Says of all that are held that this consumer lives, and learns which were taken over. */
  async #hold(): Promise<void> {
    const all = [...this.#held.values()]
    for (let i = 0; i < all.length; i += WAITING) {
      const part = all.slice(i, i + WAITING)
      // With Redis away nobody can take them over either, or somebody does: then handlers learn it later.
      const owners = await this.#parts.member.hold(part.map(({ entry }) => entry.id)).catch(() => [])
      for (const [j, ownership] of owners.entries()) {
        const held = part[j] as Held
        held.ownership = ownership
        if (ownership !== 'stolen') continue
        held.controller.abort(new Error('another consumer has taken the entry over'))
        if (held.state !== 'waiting') continue
        clearTimeout(held.timer)
        this.#held.delete(held.entry.id)
      }
    }
  }

  async #stop(): Promise<void> {
    const { member, terms, workshop } = this.#parts
    this.#stopping.abort()
    member.interrupt()
    this.#changed?.()
    await this.#work
    member.close()
    const tried = [...this.#held.values()].filter(({ state }) => state !== 'due').map(({ entry }) => entry.id)
    for (const held of this.#held.values()) {
      clearTimeout(held.timer)
      if (held.state === 'waiting' || held.state === 'due') this.#held.delete(held.entry.id)
    }
    const end = performance.now() + terms.stopTimeout
    // Keeps the process alive: what is under way is to be finished.
    for (let left = terms.stopTimeout; this.#held.size > 0 && left > 0; left = end - performance.now())
      await this.#pause(left, 'awake')
    this.#over = true
    for (const { controller } of this.#held.values()) controller.abort(new Error('the consumer was stopped'))
    await member
      .leave(tried)
      .catch((err) => workshop.log.warn({ err }, 'larder: a consumer could not say that it stopped'))
  }

  /** Resolves when something has changed, or after so many milliseconds. */
  async #pause(milliseconds: number, mode: 'asleep' | 'awake' = 'asleep'): Promise<void> {
    if (mode === 'asleep' && this.#stopping.signal.aborted) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds)
      if (mode === 'asleep') timer.unref()
      this.#changed = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#changed = undefined
  }
}
