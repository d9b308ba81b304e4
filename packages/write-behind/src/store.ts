/** What becomes of several entries of one key: their sum, the last one, or all in order. */
export type Coalesce = 'sum' | 'last' | 'all'

/** One entry on its way into the store: what to add to a sum, or JSON. */
export interface Entry {
  readonly key: string
  value: number | string
}

/** What a write found. `refused`: the places of entries that no longer fit; nothing of the frame was written. */
export type Written = { state: 'stored'; size: number | undefined } | { state: 'full'; refused: number[] }

/** Batches of a shard are numbered as they are taken: the last one that a barrier must wait for, the last one done, the last one buried. */
export interface Progress {
  readonly goal: number
  readonly done: number
  readonly dead: number
}

/** A batch as the store has it: keys and sums, keys and JSON, or JSON of key and value in order. */
export interface RawBatch {
  readonly id: string
  /** Among the batches of its shard. */
  readonly number: number
  readonly attempt: number
  readonly fence: number
  readonly entries: string[]
}

/** Whether a batch is flushed when it is due, at once, or not by this process, which only asks how far the others are. */
export type How = 'due' | 'now' | 'look'

/** What there is to flush: a batch that is ours now; nothing; or something that must wait (`wait` ms): others have it, or it is not due. */
export type Taken = Progress &
  ({ state: 'batch'; batch: RawBatch } | { state: 'idle' | 'busy' | 'later'; wait: number })

/** How an attempt ended. `released`: it was given up before it could fail. */
export type Outcome =
  | { state: 'done' }
  | { state: 'failed'; retryIn: number }
  | { state: 'released' }
  | { state: 'dead'; error: string }

/** A batch that failed for good. */
export interface RawLetter {
  readonly id: string
  readonly attempts: number
  readonly error: string
  /** Milliseconds since 1970, the store's time. */
  readonly failedAt: number
  readonly entries: string[]
}

/** One shard of one counter or queue, wherever it is kept. */
export interface Shard {
  /** Whether it can be reached. */
  readonly up: boolean
  /** Tells when it can be reached again; returns the end of it. */
  onUp(listener: () => void): () => void
  /**
   * Writes all entries or none; `limit`: entries that may wait. Rejects when it cannot know whether it did: then it must be called
   * with the same array again, before anything else is written, until it resolves. Not called twice at once.
   */
  write(entries: readonly Entry[], limit: number): Promise<Written>
  /** What waits under a key, and is being flushed, oldest first: sums or JSON. */
  read(key: string): Promise<string[]>
  /** Takes the lease and a batch. */
  take(how: How): Promise<Taken>
  /** Prolongs the lease of a batch that was taken; `false`: it is over. */
  renew(batch: RawBatch): Promise<boolean>
  /** Ends an attempt; `false`: others had ended it, or have the lease. */
  settle(batch: RawBatch, outcome: Outcome): Promise<boolean>
  letters(): Promise<RawLetter[]>
  /** Makes a dead letter the next batch again, under its old id; `busy`: another batch is being flushed. */
  replay(id: string): Promise<'replayed' | 'busy' | 'unknown'>
  discard(id: string): Promise<boolean>
  close(): void
}

/** What a shard is made with: durations in ms. */
export interface ShardOptions {
  readonly name: string
  readonly shard: number
  readonly coalesce: Coalesce
  readonly every: number
  readonly lease: number
}

/** Where shards are kept. */
export interface Store {
  shard(options: ShardOptions): Shard
  close(): void
}
