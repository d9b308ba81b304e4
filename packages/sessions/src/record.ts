import { NotSerializableError, UserError } from './errors.js'
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
export function readFields({ owner, data }: Pick<Record, 'owner' | 'data'>): Fields {
  const fields: { [name: string]: unknown } = {}
  for (const [name, json] of data) if (!RESERVED.has(name)) fields[name] = JSON.parse(json)
  if (owner !== '') fields.userId = JSON.parse(owner)
  return fields
}

const NONE: readonly string[] = []

/** The fields of a session at its last load or save, to tell what a request changed. */
export class Baseline {
  /** As JSON. */
  #data: ReadonlyMap<string, string>
  /** As parsed: what is no object is compared as it is. */
  #fields: Fields

  constructor(data: ReadonlyMap<string, string>, fields: Fields) {
    this.#data = data
    this.#fields = fields
  }

  /**
   * What differs now; an object is compared by its JSON, so that a change deep inside is seen.
   *
   * @throws `LARDER_SESSIONS_NOT_SERIALIZABLE`, `LARDER_SESSIONS_USER`
   */
  changes(session: object, owner: Owner): Changes {
    let set: Map<string, string> | undefined
    let kept = 0
    const now = session as Fields
    for (const name of Object.keys(session)) {
      if (name === 'cookie') continue
      const value = now[name]
      if (RESERVED.has(name)) {
        if (name === 'userId' && value !== undefined && JSON.stringify(value) !== owner) throw new UserError()
        continue
      }
      const loaded = this.#data.get(name)
      if (loaded !== undefined && value === this.#fields[name] && (typeof value !== 'object' || value === null)) {
        kept++
        continue
      }
      const json = stringify(name, value)
      if (json === undefined) continue
      if (loaded !== undefined) kept++
      if (loaded !== json) {
        set ??= new Map()
        set.set(name, json)
      }
    }
    if (set === undefined && kept === this.#data.size) return NO_CHANGES
    return { set: set ?? NO_CHANGES.set, remove: kept === this.#data.size ? NONE : this.#removed(now) }
  }

  /** Says that these changes are kept from now on. */
  saved({ set, remove }: Changes, session: Fields): void {
    const data = new Map([...this.#data, ...set])
    for (const name of remove) data.delete(name)
    this.#data = data
    this.#fields = { ...session }
  }

  #removed(now: Fields): string[] {
    return [...this.#data.keys()].filter(
      (name) => !RESERVED.has(name) && (!Object.hasOwn(now, name) || stringify(name, now[name]) === undefined),
    )
  }
}

/** Nothing. */
export const NO_CHANGES: Changes = { set: new Map(), remove: NONE }

/** What a request finds in `request.session`. */
export interface Fields {
  readonly [name: string]: unknown
}

/** Fields as they are stored. Throws `LARDER_SESSIONS_NOT_SERIALIZABLE`. */
export function writeFields(fields: object): Map<string, string> {
  const data = new Map<string, string>()
  for (const [name, value] of Object.entries(fields)) {
    const json = RESERVED.has(name) ? undefined : stringify(name, value)
    if (json !== undefined) data.set(name, json)
  }
  return data
}

/** `undefined` for `undefined`: no field. */
function stringify(name: string, value: unknown): string | undefined {
  try {
    const json = JSON.stringify(value)
    if (json === undefined && value !== undefined) throw new TypeError(`JSON knows no ${typeof value}`)
    return json
  } catch (error) {
    throw new NotSerializableError(name, error instanceof Error ? error.message : String(error), { cause: error })
  }
}
