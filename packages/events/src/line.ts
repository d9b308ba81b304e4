import { readEnvelope } from './envelope.js'
import type { Link } from './link.js'
import { Parcel } from './parcel.js'
import type { TopicListener } from './store.js'

/** Messages that are known again: more than a publisher's client sends again after a lost connection. */
const REMEMBERED = 1_000

/** What this process hears of one channel, and what it has missed of it. */
export class Line {
  readonly channel: string
  /** Key of the mark of its last message, in the slot of the channel. */
  readonly key: string
  readonly slot: number
  readonly listeners: Set<TopicListener> = new Set()
  link: Link | undefined
  /** Whether messages are heard. */
  armed = false
  /** Counts attempts to hear: what an earlier one is answered does not matter any more. */
  attempt = 0
  /** Mark of the last message that was heard, or of the last one before anything was. */
  #last: string | undefined
  #heard = false
  /** Marks of messages that were heard, the oldest first. */
  readonly #marks = new Set<string>()

  constructor(channel: string, key: string, slot: number) {
    this.channel = channel
    this.key = key
    this.slot = slot
  }

  /** Begins to hear, again. */
  begin(): number {
    this.armed = false
    this.#heard = false
    return ++this.attempt
  }

  /** The connection is gone. */
  lost(): void {
    this.armed = false
    this.attempt++
  }

  /**
   * It is heard. `mark`: of the last message before the question was answered, on the same connection. Messages that were heard
   * meanwhile came before, or follow it: they have told by themselves what was missed.
   */
  arm(mark: string): void {
    this.armed = true
    const missed = !this.#heard && this.#last !== undefined && this.#last !== mark
    if (!this.#heard) this.#last = mark
    for (const listener of this.listeners) {
      if (missed) listener.missed()
      listener.armed()
    }
  }

  /** A message came. */
  hear(raw: string): void {
    const envelope = readEnvelope(raw)
    if (!envelope) {
      const parcel = new Parcel(raw, undefined, 'it was not published by Larder')
      for (const listener of this.listeners) listener.heard(parcel, false)
      return
    }
    const { before, mark, text } = envelope
    const gap = this.#last !== undefined && this.#last !== before
    this.#last = mark
    this.#heard = true
    if (this.#isKnown(mark)) {
      // Its publisher lost the answer, and its client sent it again.
      if (gap) for (const listener of this.listeners) listener.missed()
      return
    }
    const parcel = new Parcel(text, text, '')
    for (const listener of this.listeners) listener.heard(parcel, gap)
  }

  #isKnown(mark: string): boolean {
    if (this.#marks.has(mark)) return true
    this.#marks.add(mark)
    if (this.#marks.size > REMEMBERED) this.#marks.delete(this.#marks.values().next().value as string)
    return false
  }
}
