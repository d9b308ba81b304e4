import type { Caller, Reply } from '../caller.js'
import { loadScript } from '../script.js'
import { type Epoch, type EpochStore, type TagEpochs, type TagRecord, tagLife } from './epoch-store.js'
import type { Tag } from './tag.js'

const ENSURE = loadScript(import.meta.url, './ensure.lua')
const RAISE = loadScript(import.meta.url, './raise.lua')

/** Where the keys of a namespace's epochs are, and whom to tell. */
export interface EpochKeys {
  readonly clock: string
  tag(tag: Tag): string
  /** The pub/sub channel of the feed; empty where client tracking tells. */
  channel(): string
  /** Hands on the time of the Redis server, in milliseconds. */
  time(milliseconds: number): void
}

/** Epochs in Redis: `{ns}:clock` and `{ns}:t:<tag>`, one slot a namespace. */
export class RedisEpochStore implements EpochStore {
  readonly #redis: Caller
  readonly #keys: EpochKeys

  constructor(redis: Caller, keys: EpochKeys) {
    this.#redis = redis
    this.#keys = keys
  }

  async ensure(
    tags: readonly Tag[],
    need: number,
    seen: Epoch,
  ): Promise<{ clock: Epoch; tags: (TagEpochs & { life: number })[] }> {
    const reply = (await this.#redis.run(ENSURE, this.#names(tags), [
      seen,
      Math.ceil(2 * need),
      Math.ceil(tagLife(need)),
    ])) as Reply[]
    this.#keys.time(Number(reply[0]))
    const epochs = tags.map((_, i) => ({
      hard: Number(reply[3 * i + 2]),
      soft: Number(reply[3 * i + 3]),
      life: Number(reply[3 * i + 4]),
    }))
    return { clock: Number(reply[1]), tags: epochs }
  }

  async read(tags: readonly Tag[]): Promise<(TagRecord | undefined)[]> {
    const replies = (await this.#redis.call(
      'mget',
      tags.map((tag) => this.#keys.tag(tag)),
    )) as (Buffer | null)[]
    return replies.map((reply) => {
      const match = /^(\d+) (\d+) (\d+)$/.exec(reply?.toString('latin1') ?? '')
      return match ? { hard: Number(match[1]), soft: Number(match[2]), raised: Number(match[3]) } : undefined
    })
  }

  async raise(tags: readonly Tag[], mode: 'hard' | 'soft', seen: Epoch): Promise<Epoch> {
    return Number(await this.#redis.run(RAISE, this.#names(tags), [seen, mode, this.#keys.channel()]))
  }

  #names(tags: readonly Tag[]): string[] {
    return [this.#keys.clock, ...tags.map((tag) => this.#keys.tag(tag))]
  }
}
