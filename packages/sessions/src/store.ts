/** SHA-256 of a session's id: all that a store ever sees of it. */
export type SessionKey = string

/** A user's id as JSON, so that `1` and `'1'` come back as what they were; empty: nobody. */
export type Owner = string

/** Fields of data by name, each as JSON or sealed. */
export type Fields = ReadonlyMap<string, string>

/** A session as it lies in a store. Times in milliseconds of the store's clock. */
export interface StoredSession {
  readonly created: number
  /** When it is over however much it is used. */
  readonly end: number
  readonly owner: Owner
  readonly seen: number
  /** Where it was used last: JSON or sealed. */
  readonly device: string
  readonly data: Fields
}

/** What a rotation leaves under the old key for its grace. */
export interface Successor {
  /** The session that goes on; empty when nothing may follow. */
  readonly to: SessionKey
  /** Whether it may be read through the old id too, or only late saves go on to it. */
  readonly follow: boolean
}

/** What is found under a key. */
export type Found =
  | { readonly state: 'live'; readonly session: StoredSession }
  | { readonly state: 'moved'; readonly successor: Successor }
  | { readonly state: 'absent' }

/** A session to be made. */
export interface Draft {
  readonly owner: Owner
  readonly device: string
  readonly data: Fields
  /** Of the session that it goes on with; else it begins now. */
  readonly span?: Span | undefined
}

/** From when to when at most a session lives. */
export interface Span {
  readonly created: number
  readonly end: number
}

/** Changed fields of a session. */
export interface Changes {
  readonly set: Fields
  readonly remove: readonly string[]
}

/** What became of a save. `moved`: the session was rotated meanwhile. */
export type Saved =
  | { readonly state: 'saved'; readonly touched: boolean }
  | { readonly state: 'moved'; readonly successor: Successor }
  | { readonly state: 'gone' }

/** What ending a session found. */
export interface Dropped {
  /** Whether it was alive, and not rotated or gone. */
  readonly alive: boolean
  /** Alive or rotated: for its place in the index. */
  readonly owner: Owner
  readonly successor: Successor | undefined
}

/** How long sessions live. Whole milliseconds. */
export interface Lifetimes {
  readonly idle: number
  readonly absolute: number
  readonly touchEvery: number
}

/**
 * Where sessions lie. Each method is one atomic step on one session or on one user's index, never on both: on Cluster they lie in
 * different slots. The order of steps that is safe when a process dies between is the business of the callers.
 */
export interface SessionStore {
  /** The store's time in milliseconds, as well as this process knows it. */
  now(): number
  load(key: SessionKey): Promise<Found>
  /** `undefined` when the key is taken, or the span is over. */
  create(key: SessionKey, draft: Draft): Promise<Span | undefined>
  /** Writes to a session that exists; moves its expiry when the last move is `touchEvery` ago. */
  save(key: SessionKey, changes: Changes, device: string): Promise<Saved>
  /** Takes it out of service for `grace` milliseconds of {@link Successor}; `undefined` when it was ended before. */
  claim(key: SessionKey, successor: Successor, grace: number): Promise<StoredSession | undefined>
  drop(key: SessionKey): Promise<Dropped>
  /** Adds to an index, in place of `replaced` when given; all that are in it, or `undefined` when the replaced one was gone. */
  enlist(owner: Owner, key: SessionKey, end: number, replaced?: SessionKey): Promise<SessionKey[] | undefined>
  strike(owner: Owner, keys: readonly SessionKey[]): Promise<void>
  members(owner: Owner): Promise<SessionKey[]>
  /** A session of another store, under its plain id: JSON. */
  legacy(key: string): Promise<string | undefined>
  /** Whether it was there: of several who take it over, for one. */
  dropLegacy(key: string): Promise<boolean>
  /** Waits for the first connection, not beyond the deadline. */
  settled(): Promise<void>
  close(): void
}

/** Whether both are of one user: numbers and strings read alike, as in keys. */
export function sameOwner(one: Owner, other: Owner): boolean {
  return one === other || (one !== '' && other !== '' && String(JSON.parse(one)) === String(JSON.parse(other)))
}

/** `m` of create.lua. */
export function parseMeta(meta: string): Span & { owner: Owner } {
  const first = meta.indexOf(' ')
  const second = meta.indexOf(' ', first + 1)
  return {
    created: Number(meta.slice(0, first)),
    end: Number(meta.slice(first + 1, second)),
    owner: meta.slice(second + 1),
  }
}

/** `>` of claim.lua, with the old `m` behind it. */
export function parseSuccessor(text: string): Successor {
  return { follow: text.startsWith('1'), to: text.slice(2, text.indexOf(' ', 2)) }
}

/** The other way of {@link parseSuccessor}, without `m`. */
export function formatSuccessor({ follow, to }: Successor): string {
  return `${follow ? 1 : 0} ${to}`
}
