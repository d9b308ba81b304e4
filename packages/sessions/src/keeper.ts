import { type EndReason, type SessionEvent, sessionsChannel } from './channel.js'
import { EndedError, UnavailableError } from './errors.js'
import { keyOf, newId } from './identity.js'
import type { MigrateOptions } from './options.js'
import { type Record, writeFields } from './record.js'
import { plain, type Sealer } from './sealer.js'
import {
  type Changes,
  type Found,
  type Owner,
  type SessionKey,
  type SessionStore,
  type Span,
  type StoredSession,
  sameOwner,
} from './store.js'

/** What a {@link Keeper} works with. */
export interface KeeperOptions {
  /** The application, in events. */
  readonly app: object
  /** The registration, in events. */
  readonly name: string
  readonly store: SessionStore
  readonly sealer: Sealer
  readonly maxPerUser: number
  readonly grace: number
  readonly touchEvery: number
  readonly migrate: Required<MigrateOptions> | undefined
}

/** What stands behind an id. `superseded`: rotated a moment ago, and not to be followed. */
export type Arrival =
  | { readonly state: 'live'; readonly record: Record }
  | { readonly state: 'superseded' }
  | { readonly state: 'absent' }

/** A session that has just been made. */
export interface Issued {
  readonly id: string
  readonly record: Record
}

/** A session to be made. */
interface Plan {
  readonly owner: Owner
  readonly device: string
  readonly data: ReadonlyMap<string, string>
  readonly span?: Span
  /** The session of its user whose place in the index it takes. */
  readonly replaced?: SessionKey
}

/** What a login begins with. */
export interface Login {
  /** The session before it. */
  readonly record: Record | undefined
  /** What the request changed in that. */
  readonly changes: Changes
  /** What the new one has in any case. */
  readonly own: ReadonlyMap<string, string>
  readonly owner: Owner
  readonly device: string
}

/** A session that is alive. */
export interface Kept {
  readonly key: SessionKey
  readonly session: StoredSession
}

/** Rotations of one session that a late save follows, at most. */
const HOPS = 4

type Fact = SessionEvent extends infer E
  ? E extends { sessions: string }
    ? Omit<E, 'app' | 'sessions'>
    : never
  : never

/**
 * The life of sessions: made, read, changed, rotated, ended. A session and its user's index lie in different slots, so every act is
 * a row of single steps, in an order that leaves nothing usable behind when the process dies between two of them:
 *
 * - made: first the session, whose id nobody knows yet, then the index, then the cookie;
 * - ended: first the session, then its place in the index, then what it was rotated into;
 * - rotated: the old one is claimed (one gets it), the new one made, and takes the old one's place in the index only if that
 *   is still there: else a revocation came between, and the new one goes too.
 */
export class Keeper {
  readonly options: KeeperOptions
  readonly #store: SessionStore

  constructor(options: KeeperOptions) {
    this.options = options
    this.#store = options.store
  }

  /** Whether the session's expiry should be moved on. */
  due(record: Record): boolean {
    return this.#store.now() - record.seen >= this.options.touchEvery
  }

  /** What stands behind the id of a cookie. One command. Throws `LARDER_SESSIONS_UNAVAILABLE`. */
  load(id: string, key: SessionKey = keyOf(id)): Promise<Arrival> {
    // The way of nearly all: one answer, one step.
    return this.#store.load(key).then(
      (found) => (found.state === 'live' ? this.#arrived(key, found.session) : this.#search(id, key, found)),
      (error) => {
        this.tell({ type: 'loaded', result: 'unavailable' })
        throw unavailable(error)
      },
    )
  }

  async #search(id: string, key: SessionKey, found: Exclude<Found, { state: 'live' }>): Promise<Arrival> {
    try {
      if (found.state === 'moved') return await this.#follow(found.successor.follow ? found.successor.to : '')
      const migrated = this.options.migrate && (await this.#migrate(id, key, this.options.migrate))
      if (migrated) return { state: 'live', record: migrated }
      this.tell({ type: 'loaded', result: 'absent' })
      return found
    } catch (error) {
      this.tell({ type: 'loaded', result: 'unavailable' })
      throw unavailable(error)
    }
  }

  /** Makes a session, bound to its owner if it has one. Throws `LARDER_SESSIONS_UNAVAILABLE`, `LARDER_SESSIONS_ENDED`. */
  async issue(plan: Plan, id: string = newId()): Promise<Issued> {
    const key = keyOf(id)
    const { owner, device, data, span, replaced } = plan
    const kept = await reached(
      this.#store.create(key, { owner, device: this.#sealDevice(key, device), data: this.#seal(key, data), span }),
    )
    if (!kept) throw new EndedError()
    if (owner !== '') await this.#enlist(owner, key, kept, replaced)
    this.tell({ type: 'created', bound: owner !== '' })
    return { id, record: { ...kept, key, owner, seen: this.#store.now(), data } }
  }

  /** Writes to a session that still exists, or to what it was rotated into; without changes it only moves the expiry. */
  async save(record: Record, changes: Changes, device: string): Promise<boolean> {
    let { key } = record
    for (let hop = 0; hop < HOPS; hop++) {
      const set = this.#seal(key, changes.set)
      const saved = await reached(this.#store.save(key, { set, remove: changes.remove }, this.#sealDevice(key, device)))
      if (saved.state === 'saved') {
        if (saved.touched) record.seen = this.#store.now()
        if (saved.touched) this.tell({ type: 'touched' })
        const fields = changes.set.size + changes.remove.length
        if (fields > 0) this.tell({ type: 'saved', fields })
        return saved.touched
      }
      if (saved.state === 'gone' || saved.successor.to === '') break
      key = saved.successor.to
    }
    const fields = changes.set.size + changes.remove.length
    if (fields > 0) this.tell({ type: 'dropped', fields })
    return false
  }

  /** A new id for the same session. Throws `LARDER_SESSIONS_ENDED`. */
  async rotate(record: Record, changes: Changes, device: string, grace: number): Promise<Issued> {
    const id = newId()
    const data = await this.#claim(record, changes, { to: keyOf(id), follow: true }, grace)
    if (!data) throw new EndedError()
    const { owner, created, end } = record
    const replaced = owner === '' ? {} : { replaced: record.key }
    const issued = await this.issue({ owner, device, data, span: { created, end }, ...replaced }, id)
    this.tell({ type: 'rotated' })
    return issued
  }

  /**
   * A new session of this user. It goes on with the fields of an anonymous one and of one of the same user; those of another user
   * stay behind. The old id is gone.
   */
  async login({ record, changes, own, owner, device }: Login): Promise<Issued> {
    const id = newId()
    let kept = changes.set
    if (record) {
      // Late saves of the same user's requests are lost to nobody; whoever knows an anonymous id may be somebody else.
      const to = sameOwner(record.owner, owner) ? keyOf(id) : ''
      const foreign = record.owner !== '' && !sameOwner(record.owner, owner)
      const claimed = await this.#claim(record, changes, { to, follow: false }, this.options.grace)
      kept = foreign || !claimed ? new Map() : claimed
      if (record.owner !== '') await reached(this.#store.strike(record.owner, [record.key]))
      this.tell({ type: 'ended', reason: 'replaced' })
    }
    return this.issue({ owner, device, data: new Map([...kept, ...own]) }, id)
  }

  /** Ends a session for good, and what it is being rotated into. Whether there was one. */
  async end(first: SessionKey, owner: Owner, reason: EndReason): Promise<boolean> {
    let key = first
    let ended = false
    for (let hop = 0; hop < HOPS; hop++) {
      const dropped = await reached(this.#store.drop(key))
      if (dropped.alive) {
        ended = true
        this.tell({ type: 'ended', reason })
      }
      const user = dropped.owner === '' ? owner : dropped.owner
      // Before the successor is looked for: from now on a rotation under way does not find its place any more.
      if (user !== '') await reached(this.#store.strike(user, [key]))
      if (!dropped.successor?.to) break
      key = dropped.successor.to
    }
    return ended
  }

  /** As {@link end}, for an id as `@fastify/session` knows it. */
  async endId(id: string, reason: EndReason): Promise<void> {
    await this.end(keyOf(id), '', reason)
    if (this.options.migrate) await reached(this.#store.dropLegacy(this.options.migrate.prefix + id))
  }

  /** The user's sessions that are alive, oldest first. Strikes the others from the index. */
  async sessionsOf(owner: Owner): Promise<Kept[]> {
    const members = await reached(this.#store.members(owner))
    return this.#living(owner, members)
  }

  members(owner: Owner): Promise<SessionKey[]> {
    return reached(this.#store.members(owner))
  }

  /** What a device says of itself, unsealed. */
  device(session: StoredSession, key: SessionKey): string | undefined {
    return this.options.sealer.open(session.device, key, 'd')
  }

  tell(fact: Fact): void {
    if (sessionsChannel.hasSubscribers) {
      const { app, name } = this.options
      sessionsChannel.publish({ app, sessions: name, ...fact } satisfies SessionEvent)
    }
  }

  async #living(owner: Owner, keys: readonly SessionKey[]): Promise<Kept[]> {
    const found = await reached(Promise.all(keys.map((key) => this.#store.load(key))))
    const living: Kept[] = []
    const dead: SessionKey[] = []
    for (const [i, key] of keys.entries()) {
      const one = found[i]
      if (one?.state === 'absent') dead.push(key)
      // A session is its owner's whatever the index says.
      else if (one?.state === 'live' && sameOwner(one.session.owner, owner)) living.push({ key, session: one.session })
    }
    if (dead.length > 0) await reached(this.#store.strike(owner, dead))
    return living.sort((a, b) => a.session.created - b.session.created)
  }

  async #enlist(owner: Owner, key: SessionKey, { end }: Span, replaced: SessionKey | undefined): Promise<void> {
    let members: SessionKey[] | undefined
    try {
      members = await reached(this.#store.enlist(owner, key, end, replaced))
    } catch (error) {
      await this.#store.drop(key).catch(() => {})
      throw error
    }
    if (!members) {
      await reached(this.#store.drop(key))
      throw new EndedError()
    }
    if (members.length > this.options.maxPerUser) await this.#evict(owner, key, members)
  }

  async #evict(owner: Owner, newest: SessionKey, keys: readonly SessionKey[]): Promise<void> {
    const others = keys.filter((key) => key !== newest)
    const living = await this.#living(owner, others)
    const surplus = living.slice(0, Math.max(0, living.length + 1 - this.options.maxPerUser))
    for (const { key } of surplus) await this.end(key, owner, 'evicted')
  }

  async #claim(
    record: Record,
    changes: Changes,
    successor: { to: SessionKey; follow: boolean },
    grace: number,
  ): Promise<Map<string, string> | undefined> {
    const stored = await reached(this.#store.claim(record.key, successor, grace))
    const opened = stored && this.#open(record.key, stored.data)
    if (!opened) return undefined
    const data = new Map(opened)
    for (const [name, json] of changes.set) data.set(name, json)
    for (const name of changes.remove) data.delete(name)
    return data
  }

  async #follow(to: SessionKey): Promise<Arrival> {
    const found = to === '' ? undefined : await this.#store.load(to)
    if (found?.state === 'live') return this.#arrived(to, found.session)
    if (found?.state === 'moved' && found.successor.follow) return this.#follow(found.successor.to)
    this.tell({ type: 'loaded', result: 'moved' })
    return { state: 'superseded' }
  }

  #arrived(key: SessionKey, session: StoredSession): Arrival {
    const data = this.#open(key, session.data)
    this.tell({ type: 'loaded', result: data ? 'live' : 'damaged' })
    if (!data) return { state: 'absent' }
    const { created, end, owner, seen } = session
    return { state: 'live', record: { key, created, end, owner, seen, data } }
  }

  /**
   * A session that another store keeps under its plain id is made ours, then deleted there. Of two requests that come at once, one
   * makes it and the other finds it.
   */
  async #migrate(
    id: string,
    key: SessionKey,
    { prefix, userId }: Required<MigrateOptions>,
  ): Promise<Record | undefined> {
    const text = await this.#store.legacy(prefix + id)
    if (text !== undefined) {
      const fields = parseObject(text)
      if (!fields) return undefined
      const user = userId(fields)
      const owner = user === undefined || user === null ? '' : JSON.stringify(user)
      const data = writeFields(fields)
      try {
        const { record } = await this.issue({ owner, device: '{}', data }, id)
        await this.#store.dropLegacy(prefix + id)
        return record
      } catch (error) {
        if (!(error instanceof EndedError)) throw error
      }
    }
    const found = await this.#store.load(key)
    const arrival = found.state === 'live' ? this.#arrived(key, found.session) : undefined
    return arrival?.state === 'live' ? arrival.record : undefined
  }

  #seal(key: SessionKey, data: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
    const { sealer } = this.options
    if (sealer === plain) return data
    return new Map([...data].map(([name, json]) => [name, sealer.seal(json, key, `.${name}`)]))
  }

  #sealDevice(key: SessionKey, device: string): string {
    return this.options.sealer.seal(device, key, 'd')
  }

  #open(key: SessionKey, data: ReadonlyMap<string, string>): ReadonlyMap<string, string> | undefined {
    const { sealer } = this.options
    if (sealer === plain) return data
    const open = new Map<string, string>()
    for (const [name, stored] of data) {
      const json = sealer.open(stored, key, `.${name}`)
      if (json === undefined) return undefined
      open.set(name, json)
    }
    return open
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

async function reached<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise
  } catch (error) {
    throw unavailable(error)
  }
}

/** What users see of a Redis that cannot be asked. */
function unavailable(error: unknown): unknown {
  const code = (error as { code?: unknown }).code
  if (code !== 'LARDER_REDIS_UNAVAILABLE' && code !== 'LARDER_REDIS_TIMEOUT') return error
  const { message } = error as Error
  return Object.assign(new UnavailableError(message, { cause: error }), { headers: { 'retry-after': '1' } })
}
