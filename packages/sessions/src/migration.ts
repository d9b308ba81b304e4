import { setTimeout as sleep } from 'node:timers/promises'
import { EndedError } from './errors.js'
import type { Arrival, Plan } from './keeper.js'
import type { MigrateOptions } from './options.js'
import { reached } from './reach.js'
import { type Record, writeFields } from './record.js'
import type { SessionKey, SessionStore, StoredSession } from './store.js'

/** What a {@link Migration} has done by others. */
export interface Hands {
  issue(plan: Plan, id: string): Promise<Record>
  read(key: SessionKey, session: StoredSession): Arrival
}

const ABSENT: Arrival = { state: 'absent' }
/** How often, and after how many milliseconds, it is looked again for what another process takes over. */
const LOOKS = 5
const PAUSE = 20

/**
 * Takes over sessions that another store keeps under their plain ids. Of all who come with such an id, in any process, the one who
 * deletes the old session makes the new one; so nobody makes it again who read the old one before, when the new one was ended since.
 */
export class Migration {
  readonly #store: SessionStore
  readonly #options: Required<MigrateOptions>
  readonly #hands: Hands
  /** Parallel requests of this process wait for one. */
  readonly #running = new Map<SessionKey, Promise<Arrival>>()

  constructor(store: SessionStore, options: Required<MigrateOptions>, hands: Hands) {
    this.#store = store
    this.#options = options
    this.#hands = hands
  }

  /** What comes of an id that no session of ours has. */
  arrival(id: string, key: SessionKey): Promise<Arrival> {
    const running = this.#running.get(key)
    if (running) return running
    const arrival = this.#takeOver(id, key).finally(() => this.#running.delete(key))
    this.#running.set(key, arrival)
    return arrival
  }

  /** Ends what the other store has of an id. */
  async end(id: string): Promise<void> {
    await reached(this.#store.dropLegacy(this.#options.prefix + id))
  }

  async #takeOver(id: string, key: SessionKey): Promise<Arrival> {
    const old = this.#options.prefix + id
    const text = await this.#store.legacy(old)
    const plan = text === undefined ? undefined : this.#planOf(text)
    if (plan && (await this.#store.dropLegacy(old))) {
      try {
        return { state: 'live', record: await this.#hands.issue(plan, id) }
      } catch (error) {
        // A process of before has written the old session again, and it was taken over before.
        if (!(error instanceof EndedError)) throw error
      }
    }
    // Whoever took it a moment ago makes the session next.
    for (let look = 1; ; look++) {
      const found = await this.#store.load(key)
      if (found.state === 'live') return this.#hands.read(key, found.session)
      if (found.state === 'moved' || !plan || look === LOOKS) return ABSENT
      await sleep(PAUSE, undefined, { ref: false })
    }
  }

  #planOf(text: string): Plan | undefined {
    const fields = parseObject(text)
    if (!fields) return undefined
    const user = this.#options.userId(fields)
    const owner = user === undefined || user === null ? '' : JSON.stringify(user)
    return { owner, device: '{}', data: writeFields(fields) }
  }
}

function parseObject(text: string): { [name: string]: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as { [name: string]: unknown }) : undefined
  } catch {
    return undefined
  }
}
