import { NotSerializableError, UserError } from './errors.js'
import type { UserId } from './options.js'
import type { Changes, Owner, SessionKey, Span } from './store.js'

/** A session as this process read it: unsealed, each field as JSON. */
export interface Record extends Span {
  readonly key: SessionKey
  readonly owner: Owner
  seen: number
  readonly data: ReadonlyMap<string, string>
}

/** What `@fastify/session` makes of its own, and what a login binds. */
const RESERVED = new Set(['cookie', 'sessionId', 'encryptedSessionId', 'userId', '__proto__'])

/** The fields that a request finds in `request.session`. */
export function readFields({ owner, data }: Pick<Record, 'owner' | 'data'>): { [name: string]: unknown } {
  const fields: { [name: string]: unknown } = {}
  for (const [name, json] of data) if (!RESERVED.has(name)) fields[name] = JSON.parse(json)
  if (owner !== '') fields.userId = JSON.parse(owner)
  return fields
}

/** The user whom a session belongs to. */
export function userOf(owner: Owner): UserId | undefined {
  return owner === '' ? undefined : (JSON.parse(owner) as UserId)
}

/** A field as it was read: compared with what the request left in its place. */
interface Loaded {
  readonly json: string
  /** Itself, when comparing it is enough: it is no object. */
  readonly value: unknown
}

/** The fields of a session at its last load or save, to tell what a request changed. */
export class Baseline {
  readonly #fields = new Map<string, Loaded>()

  /** @param fields what was parsed of `data` */
  constructor(data: ReadonlyMap<string, string>, fields: { readonly [name: string]: unknown }) {
    for (const [name, json] of data) if (!RESERVED.has(name)) this.#fields.set(name, { json, value: fields[name] })
  }

  /**
   * What differs now; an object is compared by its JSON, so that a change deep inside is seen.
   *
   * @throws `LARDER_SESSIONS_NOT_SERIALIZABLE`, `LARDER_SESSIONS_USER`
   */
  changes(session: object, owner: Owner): Changes {
    const set = new Map<string, string>()
    let kept = 0
    for (const [name, value] of Object.entries(session)) {
      if (RESERVED.has(name)) {
        if (name === 'userId' && value !== undefined && JSON.stringify(value) !== owner) throw new UserError()
        continue
      }
      const loaded = this.#fields.get(name)
      if (loaded && loaded.value === value && (typeof value !== 'object' || value === null)) {
        kept++
        continue
      }
      const json = stringify(name, value)
      if (json === undefined) continue
      if (loaded) kept++
      if (loaded?.json !== json) set.set(name, json)
    }
    return { set, remove: kept === this.#fields.size ? NONE : this.#removed(session) }
  }

  /** Says that these changes are kept from now on. */
  saved({ set, remove }: Changes, session: { readonly [name: string]: unknown }): void {
    for (const [name, json] of set) this.#fields.set(name, { json, value: session[name] })
    for (const name of remove) this.#fields.delete(name)
  }

  #removed(session: object): string[] {
    const now = session as { readonly [name: string]: unknown }
    return [...this.#fields.keys()].filter(
      (name) => !Object.hasOwn(now, name) || stringify(name, now[name]) === undefined,
    )
  }
}

const NONE: readonly string[] = []

/** Fields as they are stored. Throws `LARDER_SESSIONS_NOT_SERIALIZABLE`. */
export function writeFields(fields: object): Map<string, string> {
  const data = new Map<string, string>()
  for (const [name, value] of Object.entries(fields)) {
    const json = RESERVED.has(name) ? undefined : stringify(name, value)
    if (json !== undefined) data.set(name, json)
  }
  return data
}

function stringify(name: string, value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch (error) {
    throw new NotSerializableError(name, error instanceof Error ? error.message : String(error), { cause: error })
  }
}
