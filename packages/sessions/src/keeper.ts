import { type EndReason, type SessionEvent, type SessionFact, sessionsChannel } from './channel.js'
import { EndedError } from './errors.js'
import { keyOf, newId } from './identity.js'
import { Migration } from './migration.js'
import type { MigrateOptions } from './options.js'
import { reached, unavailable } from './reach.js'
import type { Record } from './record.js'
import { Roster } from './roster.js'
import { openFields, type Sealer, sealFields } from './sealer.js'
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
export interface Plan {
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

/** Rotations of one session that a late save follows, at most. */
const HOPS = 4

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
  readonly roster: Roster
  readonly #store: SessionStore
  readonly #migration: Migration | undefined

  constructor(options: KeeperOptions) {
    this.options = options
    this.#store = options.store
    this.roster = new Roster(options.store)
    this.#migration =
      options.migrate &&
      new Migration(options.store, options.migrate, {
        issue: async (plan, id) => (await this.issue(plan, id)).record,
        read: (key, session) => this.#arrived(key, session),
      })
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
      const migrated = await this.#migration?.arrival(id, key)
      if (migrated?.state === 'live') return migrated
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
    const { sealer } = this.options
    const sealed = { device: sealer.seal(device, key, 'd'), data: sealFields(sealer, key, data) }
    const kept = await reached(this.#store.create(key, { owner, span, ...sealed }))
    if (!kept) throw new EndedError()
    if (owner !== '') await this.#enlist(owner, key, kept, replaced)
    this.tell({ type: 'created', bound: owner !== '' })
    return { id, record: { ...kept, key, owner, seen: this.#store.now(), data } }
  }

  /** Writes to a session that still exists, or to what it was rotated into; without changes it only moves the expiry. */
  async save(record: Record, changes: Changes, device: string): Promise<boolean> {
    let { key } = record
    for (let hop = 0; hop < HOPS; hop++) {
      const { sealer } = this.options
      const sealed = { set: sealFields(sealer, key, changes.set), remove: changes.remove }
      const saved = await reached(this.#store.save(key, sealed, sealer.seal(device, key, 'd')))
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
    await this.#migration?.end(id)
  }

  /** What a device says of itself, unsealed. */
  device(session: StoredSession, key: SessionKey): string | undefined {
    return this.options.sealer.open(session.device, key, 'd')
  }

  tell(fact: SessionFact): void {
    if (sessionsChannel.hasSubscribers) {
      const { app, name } = this.options
      sessionsChannel.publish({ app, sessions: name, ...fact } satisfies SessionEvent)
    }
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
    const living = await this.roster.living(owner, others)
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
    const opened = stored && openFields(this.options.sealer, record.key, stored.data)
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
    const data = openFields(this.options.sealer, key, session.data)
    this.tell({ type: 'loaded', result: data ? 'live' : 'damaged' })
    if (!data) return { state: 'absent' }
    const { created, end, owner, seen } = session
    return { state: 'live', record: { key, created, end, owner, seen, data } }
  }
}
