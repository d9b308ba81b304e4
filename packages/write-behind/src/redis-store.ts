import { randomBytes } from 'node:crypto'
import { Gate, type Log, type RedisClient } from '@larder/core'
import { RedisShard } from './redis-shard.js'
import type { Shard, ShardOptions, Store } from './store.js'

/** Options of a {@link RedisStore}. */
export interface RedisStoreOptions {
  readonly namespace: string
  /** Milliseconds that a command may take. */
  readonly deadline: number
  readonly log: Log
}

/** Counters and queues in Redis, one server, Sentinel or Cluster; a shard is in one slot. */
export class RedisStore implements Store {
  readonly #gate: Gate
  readonly #namespace: string
  readonly #process = randomBytes(8).toString('base64url')

  constructor(client: RedisClient, { namespace, deadline, log }: RedisStoreOptions) {
    this.#gate = new Gate(client, { deadline, log })
    this.#namespace = namespace
  }

  /** Resolves when the client was connected for the first time, or is known to be down; at most after the deadline. */
  settled(): Promise<void> {
    return this.#gate.breaker.settled(this.#gate.deadline)
  }

  shard(options: ShardOptions): Shard {
    return new RedisShard(this.#gate, this.#namespace, this.#process, options)
  }

  close(): void {
    this.#gate.close()
  }
}
