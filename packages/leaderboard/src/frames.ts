import { randomBytes } from 'node:crypto'
import { type Argument, type Gate, loadScript } from '@larder/core'
import { type Change, MOVED, type Place } from './store.js'

const UPDATE = loadScript(import.meta.url, './update.lua')

/** Changes that are sent at once: less than a millisecond of the server. */
const FRAME = 200
const DOUBLE = 8

/** What a frame can say of a member, or with `clear` of all. */
type Act = Change | { readonly member: string; readonly how: 'remove' | 'clear'; readonly amount: 0 }
/** What became of it: the score, `NaN` for one that would not be finite, of a removal 1 or 0. */
export type Answer = number | typeof MOVED

interface Waiting {
  readonly act: Act
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

/** Options of {@link Frames}. */
export interface FramesOptions {
  /** Of a place: the board and its members. */
  readonly keys: (place: Place) => readonly [board: string, members: string]
  /** Of the last frame that a process sent to a place. */
  readonly latch: (place: Place, process: string) => string
  /** Which time windows go by; default: the server's. */
  readonly clock: (() => number) | undefined
  /** The window was over, and this is the server's time. */
  readonly moved: (time: number) => void
}

/**
 * The way of a process's changes to their boards. For each board one frame at a time, and what arrives meanwhile goes into the next
 * one. Frames are numbered and Redis remembers the last one of each process, so one that a client sends again after a lost connection,
 * or in a Cluster to a node that has taken over, is carried out once; and one that comes late, when it was given up, never undoes what
 * came after it.
 */
export class Frames {
  readonly #gate: Gate
  readonly #options: FramesOptions
  readonly #process = randomBytes(8).toString('base64url')
  /** What waits, by place; there while a frame of it is under way. */
  readonly #queues = new Map<string, Waiting[]>()
  #last = 0

  constructor(gate: Gate, options: FramesOptions) {
    this.#gate = gate
    this.#options = options
  }

  /** Rejects when it is not known to have been carried out: then it was once, or not at all. */
  write(place: Place, act: Act): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const waiting = { act, resolve, reject }
      const id = `${place.name}:${place.key}`
      const queue = this.#queues.get(id)
      if (queue) queue.push(waiting)
      else {
        this.#queues.set(id, [])
        void this.#pump(place, id, [waiting])
      }
    })
  }

  async #pump(place: Place, id: string, first: readonly Waiting[]): Promise<void> {
    const queue = this.#queues.get(id) as Waiting[]
    for (let frame = first; frame.length > 0; frame = queue.splice(0, FRAME)) {
      try {
        const answers = await this.#send(place, frame)
        frame.forEach(({ resolve }, i) => {
          resolve(answers === MOVED ? MOVED : (answers[i] as number))
        })
      } catch (error) {
        for (const { reject } of frame) reject(error as Error)
      }
    }
    this.#queues.delete(id)
  }

  async #send(place: Place, frame: readonly Waiting[]): Promise<number[] | typeof MOVED> {
    const { clock, keys, latch, moved } = this.#options
    const { period, tie } = place
    let window = ''
    if (period && clock) window = `- - ${period.expires} ${Math.floor(clock())}`
    else if (period) window = `${period.start} ${period.end} ${period.expires} -`
    const args: Argument[] = [++this.#last, tie, window]
    // As text a number is exact, and a command without Buffers is written faster.
    for (const { act } of frame) args.push(act.member, act.how, act.amount)
    const reply = await this.#gate.run(UPDATE, [...keys(place), latch(place, this.#process)], args)
    if (reply instanceof Buffer) return frame.map((_, i) => reply.readDoubleBE(i * DOUBLE))
    moved(Number(reply))
    return MOVED
  }
}
