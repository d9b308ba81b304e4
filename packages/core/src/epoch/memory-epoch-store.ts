import type { Epoch, EpochStore, TagEpochs, TagRecord } from './epoch-store.js'
import type { Tag } from './tag.js'

/** Tags kept; the oldest go first, which costs loads and never a stale value: a tag made anew stands at the clock. */
const MAX_TAGS = 100_000

/** Epochs in the memory of this process. */
export class MemoryEpochStore implements EpochStore {
  #clock: Epoch = Date.now() * 1000
  readonly #tags = new Map<Tag, TagRecord>()

  async ensure(tags: readonly Tag[]): Promise<{ clock: Epoch; tags: (TagEpochs & { life: number })[] }> {
    const epochs = tags.map((tag) => {
      let known = this.#tags.get(tag)
      if (!known) {
        known = { hard: this.#clock, soft: this.#clock, raised: 0 }
        this.#tags.set(tag, known)
        if (this.#tags.size > MAX_TAGS) this.#tags.delete(this.#tags.keys().next().value as Tag)
      }
      return { ...known, life: Number.POSITIVE_INFINITY }
    })
    return { clock: this.#clock, tags: epochs }
  }

  async read(tags: readonly Tag[]): Promise<(TagRecord | undefined)[]> {
    return tags.map((tag) => this.#tags.get(tag))
  }

  async raise(tags: readonly Tag[], mode: 'hard' | 'soft'): Promise<Epoch> {
    const epoch = Math.max(this.#clock + 1, Date.now() * 1000)
    this.#clock = epoch
    for (const tag of tags) {
      const known = this.#tags.get(tag)
      if (known) this.#tags.set(tag, { hard: mode === 'hard' ? epoch : known.hard, soft: epoch, raised: epoch })
    }
    return epoch
  }
}
