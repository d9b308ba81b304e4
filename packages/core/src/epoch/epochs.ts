import { Fence } from '../fence.js'
import type { Epoch, EpochStore, TagEpochs } from './epoch-store.js'
import type { Tag } from './tag.js'

/** What the epochs of its tags say of an entry. `unknown`: this process has to read some of them first. */
export type Verdict = 'fresh' | 'stale' | 'invalid' | 'unknown'

/** What this process knows of a tag: its epochs, and until when (by this process's clock) its key surely lives. */
interface Known extends TagEpochs {
  readonly until: number
}

interface Ensured {
  readonly clock: Epoch
  readonly read: ReadonlyMap<Tag, TagEpochs>
}

/** Tags known at most; forgetting one costs a read. */
const MAX_KNOWN = 100_000

/** What {@link Epochs} needs to know of the feed. */
export interface Trust {
  /** Whether changes are heard, now: what was read may be known from now on. */
  trusted(now?: number): boolean
  now(): number
}

/**
 * The epochs of a namespace's tags, as far as this process knows them. {@link changes} counts what was heard of any tag: an entry
 * that was found valid at this count is valid as long as the count stands, which is what a hit compares.
 */
export class Epochs {
  /** How many changes of tags were heard, from anywhere. */
  changes = 0
  /** The highest epoch seen: handed to every tick, so that a failover cannot turn the clock back. */
  #seen: Epoch = 0
  readonly #store: EpochStore
  readonly #trust: Trust
  #known = new Map<Tag, Known>()
  /** What was known when the feed was lost, less what changed since. */
  #last = new Map<Tag, Known>()
  /** Tags whose invalidation was called here and has not reached the store yet, by mode. */
  readonly #pending = { hard: new Map<Tag, number>(), soft: new Map<Tag, number>() }
  readonly #fence = new Fence()
  #turn: { tags: readonly Tag[]; need: number; reply: Promise<Ensured> } | undefined
  readonly #endTurn = () => {
    this.#turn = undefined
  }

  constructor(store: EpochStore, trust: Trust) {
    this.#store = store
    this.#trust = trust
  }

  /** What is known, at once, of an entry of this epoch. `now`: the time of the clock, where it was just read. */
  verdict(tags: readonly Tag[], epoch: Epoch, now?: number): Verdict {
    return this.#judge(tags, epoch, undefined, now)
  }

  /** As {@link verdict}, reading what is not known. Rejects when the store cannot be asked. */
  async check(tags: readonly Tag[], epoch: Epoch): Promise<Exclude<Verdict, 'unknown'>> {
    for (let attempt = 0; ; attempt++) {
      const trusted = this.#trust.trusted()
      const missing = tags.filter((tag) => !trusted || !this.#known.has(tag))
      const read = missing.length > 0 ? await this.#read(missing) : undefined
      const verdict = this.#judge(tags, epoch, read)
      if (verdict !== 'unknown') return verdict
      if (attempt === 3) return 'invalid'
    }
  }

  /** The clock, with every tag made; what was read is known afterwards. `need`: milliseconds that the tags must live. */
  async ensure(tags: readonly Tag[], need: number): Promise<Epoch> {
    // All who ask in one turn for the same tags get one answer: it is read after each of them asked.
    if (this.#turn?.tags === tags && this.#turn.need >= need) return (await this.#turn.reply).clock
    this.#turn = { tags, need, reply: this.#ensure(tags, need) }
    queueMicrotask(this.#endTurn)
    return (await this.#turn.reply).clock
  }

  /**
   * What the epochs say of an entry of this epoch that is about to be stored: tags without a key are made, tags that would not
   * live `need` milliseconds are lengthened. Asks nobody where this process knows them all.
   */
  async admit(tags: readonly Tag[], epoch: Epoch, need: number): Promise<Exclude<Verdict, 'unknown'>> {
    for (let attempt = 0; attempt < 4; attempt++) {
      const until = this.#trust.now() + need
      const known = this.#trust.trusted() && tags.every((tag) => (this.#known.get(tag)?.until ?? 0) >= until)
      const read = known ? undefined : (await this.#ensure(tags, need)).read
      const verdict = this.#judge(tags, epoch, read)
      if (verdict !== 'unknown') return verdict
    }
    return 'invalid'
  }

  /** From now on entries of these tags are invalid (or stale) in this process; ends with {@link settle}. */
  begin(tags: readonly Tag[], mode: 'hard' | 'soft'): void {
    for (const tag of tags) {
      this.#pending[mode].set(tag, (this.#pending[mode].get(tag) ?? 0) + 1)
      if (mode === 'hard') this.#last.delete(tag)
      this.#unknow(tag)
    }
  }

  /** The invalidation that began here reached the store, as the returned epoch of {@link raise}. */
  settle(tags: readonly Tag[], mode: 'hard' | 'soft'): void {
    for (const tag of tags) {
      const count = (this.#pending[mode].get(tag) ?? 1) - 1
      if (count > 0) this.#pending[mode].set(tag, count)
      else this.#pending[mode].delete(tag)
      this.heard(tag)
    }
  }

  /** Raises the tags in `store` (default: the store of these epochs). */
  async raise(tags: readonly Tag[], mode: 'hard' | 'soft', store: EpochStore = this.#store): Promise<void> {
    this.#see(await store.raise(tags, mode, this.#seen))
  }

  /** The epoch of a tag's last invalidation by anyone; `undefined` for none since its key was made. Asks the store. */
  async raised(tag: Tag): Promise<Epoch | undefined> {
    const [record] = await this.#store.read([tag])
    return record?.raised || undefined
  }

  /** A tag changed, as the feed tells or this process did: its epochs must be read again. */
  heard(tag: Tag): void {
    this.#last.delete(tag)
    this.#unknow(tag)
  }

  /** Messages may be lost from now on: nothing is known any more, except by {@link lastVerdict}. */
  distrust(): void {
    this.changes++
    if (this.#known.size > 0) this.#last = this.#known
    this.#known = new Map()
    this.#fence.heardAll()
  }

  /** Messages may have been lost: nothing is known any more. */
  forget(): void {
    this.distrust()
    this.#last = new Map()
  }

  /** What was known of an entry when the feed was lost, for who would rather serve that than fail (`staleIfError`). */
  lastVerdict(tags: readonly Tag[], epoch: Epoch): Exclude<Verdict, 'unknown'> {
    const last = new Map(tags.map((tag) => [tag, this.#known.get(tag) ?? this.#last.get(tag)]))
    const verdict = this.#judge(tags, epoch, last)
    return verdict === 'unknown' ? 'invalid' : verdict
  }

  #unknow(tag: Tag): void {
    this.changes++
    this.#known.delete(tag)
    this.#fence.heard(tag)
  }

  #judge(
    tags: readonly Tag[],
    epoch: Epoch,
    read: ReadonlyMap<Tag, TagEpochs | undefined> | undefined,
    now?: number,
  ): Verdict {
    let verdict: Verdict = 'fresh'
    // Nothing may have been heard for a while on a connection that is not known to be lost.
    const heard = this.#trust.trusted(now)
    for (const tag of tags) {
      if (this.#pending.hard.size > 0 && this.#pending.hard.has(tag)) return 'invalid'
      if (this.#pending.soft.size > 0 && this.#pending.soft.has(tag) && verdict === 'fresh') verdict = 'stale'
      const known = (heard ? this.#known.get(tag) : undefined) ?? read?.get(tag)
      if (known === undefined) {
        if (read?.has(tag)) return 'invalid'
        verdict = 'unknown'
      } else if (known.hard > epoch) return 'invalid'
      else if (known.soft > epoch && verdict === 'fresh') verdict = 'stale'
    }
    return verdict
  }

  async #ensure(tags: readonly Tag[], need: number): Promise<Ensured> {
    const mark = this.#fence.begin()
    const now = this.#trust.now()
    try {
      const { clock, tags: epochs } = await this.#store.ensure(tags, need, this.#seen)
      this.#see(clock)
      const read = new Map<Tag, TagEpochs>()
      tags.forEach((tag, i) => {
        const { hard, soft, life } = epochs[i] as TagEpochs & { life: number }
        // Told of meanwhile: what was read may be older than the message.
        if (!this.#fence.clear(tag, mark)) return
        read.set(tag, { hard, soft })
        this.#learn(tag, { hard, soft, until: now + life }, mark)
      })
      return { clock, read }
    } finally {
      this.#fence.end()
    }
  }

  async #read(tags: readonly Tag[]): Promise<Map<Tag, TagEpochs | undefined>> {
    const mark = this.#fence.begin()
    try {
      const epochs = await this.#store.read(tags)
      const read = new Map<Tag, TagEpochs | undefined>()
      tags.forEach((tag, i) => {
        const value = epochs[i]
        // Told of while it was read: what was read may be older than the message.
        if (!this.#fence.clear(tag, mark)) return
        read.set(tag, value)
        if (value) this.#learn(tag, { ...value, until: 0 }, mark)
      })
      return read
    } finally {
      this.#fence.end()
    }
  }

  #learn(tag: Tag, known: Known, mark: number): void {
    this.#see(known.hard)
    this.#see(known.soft)
    if (!this.#trust.trusted() || !this.#fence.clear(tag, mark)) return
    if (this.#known.size >= MAX_KNOWN) this.#known.delete(this.#known.keys().next().value as Tag)
    const { until } = this.#known.get(tag) ?? known
    this.#known.set(tag, { ...known, until: Math.max(until, known.until) })
  }

  #see(epoch: Epoch): void {
    if (epoch > this.#seen) this.#seen = epoch
  }
}
