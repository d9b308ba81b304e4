import { encodeTag, larderChannel, type Namespace, OptionReader, type TagRegistry } from '@larder/core'

/** What is published on the diagnostics channel `larder:tags`. */
export interface TagsEvent {
  readonly type: 'invalidate'
  /** The application: its `fastify.server`. */
  readonly app: object
  readonly tags: number
  readonly soft: boolean
}

/** What is known of a tag. */
export interface TagInfo {
  /** When it was last invalidated by anyone, hard or soft, in milliseconds of Redis time; `undefined`: not since its key was made. */
  readonly invalidatedAt: number | undefined
  /** How often this process invalidated it. */
  readonly invalidations: number
}

/** Options of {@link Tags.invalidate}. */
export interface InvalidateOptions {
  /** `true`: entries become stale instead of gone. */
  soft?: boolean
}

const channel = larderChannel('tags')
/** Tags whose count is kept; the oldest go first. */
const MAX_COUNTED = 10_000

/**
 * `fastify.tags`: invalidates all entries that bear a tag, in every process, by one command whatever their number.
 */
export class Tags implements TagRegistry {
  readonly #app: object
  readonly #own: () => Namespace
  readonly #fixed: boolean
  readonly #attached = new Set<Namespace>()
  readonly #counts = new Map<string, number>()

  /**
   * @internal Made by the plugin.
   * @param own the namespace of the registration; @param fixed whether it was named, so that no other is invalidated;
   * @param app the application, in events
   */
  constructor(own: () => Namespace, fixed: boolean, app: object) {
    this.#app = app
    this.#own = own
    this.#fixed = fixed
  }

  /** @internal A cache uses tags: called by the plugins that keep entries. */
  attach(namespace: Namespace): boolean {
    if (this.#fixed) return namespace === this.#own()
    this.#attached.add(namespace)
    return true
  }

  /**
   * Invalidates tags, as one act. After it resolves no call of this process is answered with an entry that was loaded before; in
   * other processes as soon as the feed told them (G1). With Redis away it holds here at once and is kept for the others (G8).
   *
   * Rejects with `LARDER_INVALID_KEY` for a tag that is no non-empty string, and then invalidates none.
   *
   * @example await fastify.tags.invalidate('products', 'category:5')
   * @example await fastify.tags.invalidate('products', { soft: true })
   */
  async invalidate(...args: [string, ...string[]] | [...string[], InvalidateOptions]): Promise<void> {
    const last = args.at(-1)
    const options = typeof last === 'object' ? new OptionReader(last) : undefined
    const soft = options?.boolean('soft', false) ?? false
    options?.done()
    const names = [...new Set((options ? args.slice(0, -1) : args) as string[])]
    const tags = names.map(encodeTag)
    if (tags.length === 0) return
    for (const name of names) this.#count(name)
    if (channel.hasSubscribers)
      channel.publish({ type: 'invalidate', app: this.#app, tags: tags.length, soft } satisfies TagsEvent)
    await Promise.all(this.#namespaces().map((namespace) => namespace.invalidate(tags, soft ? 'soft' : 'hard')))
  }

  /** When a tag was last invalidated, and how often by this process. Rejects with `LARDER_REDIS_UNAVAILABLE` with Redis away. */
  async tag(name: string): Promise<TagInfo> {
    const tag = encodeTag(name)
    const epochs = await Promise.all(this.#namespaces().map((namespace) => namespace.epochs.raised(tag)))
    const last = Math.max(...epochs.map((epoch) => epoch ?? 0))
    return {
      invalidatedAt: last > 0 ? last / 1000 : undefined,
      invalidations: this.#counts.get(name) ?? 0,
    }
  }

  #namespaces(): Namespace[] {
    return this.#attached.size > 0 ? [...this.#attached] : [this.#own()]
  }

  #count(name: string): void {
    const count = (this.#counts.get(name) ?? 0) + 1
    this.#counts.delete(name)
    this.#counts.set(name, count)
    if (this.#counts.size > MAX_COUNTED) this.#counts.delete(this.#counts.keys().next().value as string)
  }
}
