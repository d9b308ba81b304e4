/** Who hears a feed. Keys are whole Redis keys. */
export interface FeedListener {
  /** A key changed: written, deleted, expired or evicted, by anybody. */
  heard(key: string): void
  /** A connection is gone: nothing that is known may be trusted until the feed is. */
  lost(): void
  /** Everything may have changed: FLUSHALL, or the feed is about to be trusted after messages may have been lost. */
  forget(): void
  /** Called, and waited for, before the feed is trusted (again). */
  recover(): Promise<void>
}

/** How a process hears what changed. */
export interface Feed {
  /** Until when copies may be trusted, by the clock of the feed: the sending time of the last answered PING plus the limit. */
  readonly trustedUntil: number
  /** Grows whenever messages may have been lost. A copy of an earlier number is worth nothing. */
  readonly connection: number
  /** Channel that writers must tell of their changes; empty where the server tells by itself. */
  readonly channel: string
  /** Hears all keys of these prefixes. Prefixes of different calls must not overlap, but may be the same. */
  listen(prefixes: readonly string[], listener: FeedListener): () => void
  /** Resolves when the feed is trusted, at most after `limit` milliseconds. */
  settled(limit: number): Promise<void>
}
