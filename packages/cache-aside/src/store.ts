/** The answer to who asks to load an absent key. */
export type Grant =
  | { readonly state: 'granted' }
  /** Somebody stored meanwhile. */
  | { readonly state: 'stored'; readonly bytes: Buffer }
  /** Somebody else loads or writes it, for `wait` milliseconds at most. */
  | { readonly state: 'refused'; readonly wait: number }

/**
 * The slots of a cache: for each key an entry or a placeholder, and a lease beside it. Keys are logical keys. One interface, two
 * stores: Redis and the memory of this process. All reject when the store cannot be asked.
 */
export interface Store {
  /** Whether the store can be asked, as far as is known. */
  readonly up: boolean
  /** Resolves when the store answers. */
  alive(): Promise<unknown>
  /** What is in the slot. */
  read(key: string): Promise<Buffer | null>
  /** What is in these slots, in their order; best asked for `READ_AT_ONCE` keys. */
  readMany(keys: readonly string[]): Promise<(Buffer | null)[]>
  /** Leaves the placeholder where the key is absent, foreign, or the entry of id `refuse`. */
  lease(key: string, placeholder: Buffer, limit: number, refuse: Buffer | undefined): Promise<Grant>
  /** Takes the lease of a refresh; `steal`: also from who has it. */
  leaseRefresh(key: string, token: Buffer, limit: number, steal: boolean): Promise<boolean>
  /** Stores what was loaded if the load is still wanted. `refreshed`: the id of the entry that was refreshed. */
  fill(key: string, token: Buffer, refreshed: Buffer | undefined, bytes: Buffer, life: number): Promise<boolean>
  /** Gives up a load or a refresh, and wakes its waiters. */
  release(key: string, token: Buffer): Promise<void>
  /** Lengthens a placeholder, a ticket, or (`refresh`) the lease of a refresh. */
  renew(key: string, token: Buffer, limit: number, refresh: boolean): Promise<boolean>
  /** Writes an entry or a ticket over whatever there was. */
  put(key: string, bytes: Buffer, life: number): Promise<void>
  /** Stores over one's own ticket, else empties the key. */
  commit(key: string, ticket: Buffer, bytes: Buffer, life: number): Promise<boolean>
  /** Empties the slot; kept and repeated while Redis is away. */
  remove(key: string): Promise<void>
  /** Makes the entry stale; kept and repeated while Redis is away. */
  expire(key: string): Promise<void>
  /** Empties the slots whose key matches; `key` tells whether a logical key does. Kept and repeated while Redis is away. */
  removeMatching(pattern: string, matches: (key: string) => boolean): Promise<number>
}
