import { reached } from './reach.js'
import { type Owner, type SessionKey, type SessionStore, type StoredSession, sameOwner } from './store.js'

/** A session that is alive. */
export interface Kept {
  readonly key: SessionKey
  readonly session: StoredSession
}

/** The sessions of users, by their indexes: as many commands as the user has sessions. */
export class Roster {
  readonly #store: SessionStore

  constructor(store: SessionStore) {
    this.#store = store
  }

  /** What the user's index holds; some may be over. */
  members(owner: Owner): Promise<SessionKey[]> {
    return reached(this.#store.members(owner))
  }

  /** Those of these sessions that are alive, oldest first. Strikes the others from the index. */
  async living(owner: Owner, keys: readonly SessionKey[]): Promise<Kept[]> {
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
}
