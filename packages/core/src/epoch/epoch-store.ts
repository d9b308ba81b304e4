import type { Tag } from './tag.js'

/** A point of a namespace's logical clock, in microseconds. Of two epochs of one namespace the later one is greater. */
export type Epoch = number

/** When a tag was last invalidated: an entry of an epoch before `hard` is invalid, before `soft` it is stale. */
export interface TagEpochs {
  readonly hard: Epoch
  readonly soft: Epoch
}

/** As {@link TagEpochs}, with the epoch of the last invalidation of either kind: 0 for none since the tag's key was made. */
export interface TagRecord extends TagEpochs {
  readonly raised: Epoch
}

/** What a store keeps of epochs. One interface, two stores: Redis and the memory of this process. */
export interface EpochStore {
  /** The clock, and for each tag its epochs (made at the clock where missing) and the milliseconds that it surely lives on. */
  ensure(
    tags: readonly Tag[],
    need: number,
    seen: Epoch,
  ): Promise<{ clock: Epoch; tags: (TagEpochs & { life: number })[] }>
  /** The epochs of each tag; `undefined` where it has no key, which means invalid. */
  read(tags: readonly Tag[]): Promise<(TagRecord | undefined)[]>
  /** Ticks, raises the tags that exist, and returns the new epoch. */
  raise(tags: readonly Tag[], mode: 'hard' | 'soft', seen: Epoch): Promise<Epoch>
}

/** Milliseconds that a tag key is given for entries that live `need` milliseconds: a day, or four times that. */
export function tagLife(need: number): number {
  return Math.max(86_400_000, 4 * need)
}
