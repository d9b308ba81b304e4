import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  HookHandlerDoneFunction,
  onRequestHookHandler,
} from 'fastify'
import { publish } from './channel.js'
import type { Desk } from './desk.js'
import { BadPurgeError, NoGuardError, NoTagsError } from './errors.js'
import { primaryKey } from './slot.js'

/** How something is purged. */
export interface PurgeOptions {
  /** `true`: it is stale, and served while it is made anew; else it is gone. Default `false`. */
  soft?: boolean
}

/** A hook that lets through who may purge, and answers everybody else. */
export type PurgeGuard = (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => unknown

/** `fastify.tags`, as far as it is needed. */
interface Tags {
  invalidate(...tags: [...string[], { soft?: boolean }]): Promise<unknown>
}

/** `fastify.responseCache`: empties what is kept. */
export class ResponseCache {
  readonly #app: FastifyInstance
  readonly #desk: () => Desk

  /** @internal Made by the plugin. */
  constructor(app: FastifyInstance, desk: () => Desk) {
    this.#app = app
    this.#desk = desk
  }

  /**
   * Purges what is kept of a URL: a path with its query as it is asked for, with all its variants, for every host. `user`: what is
   * kept for that user, by the option `private`.
   *
   * @example await app.responseCache.purge('/products?page=1')
   */
  async purge(url: string, { soft = false, user }: PurgeOptions & { user?: string | number } = {}): Promise<void> {
    const { cache, name, app } = this.#desk()
    const key = primaryKey(pathOf(url), user)
    publish({ type: 'purge', cache: name, app, what: 'url' })
    await (soft ? cache.expire(key) : cache.delete(key))
  }

  /** Purges what bears one of the tags, in this cache and in whatever else they invalidate. Rejects with `LARDER_RESPONSE_CACHE_NO_TAGS`. */
  async purgeTags(tags: readonly string[], { soft = false }: PurgeOptions = {}): Promise<void> {
    const { tagged, name, app } = this.#desk()
    if (!tagged) throw new NoTagsError('`purgeTags` names')
    publish({ type: 'purge', cache: name, app, what: 'tags' })
    await (this.#app as unknown as { tags: Tags }).tags.invalidate(...tags, { soft })
  }

  /** Purges everything that is kept, in one command. */
  async clear(): Promise<void> {
    const { cache, name, app } = this.#desk()
    publish({ type: 'purge', cache: name, app, what: 'all' })
    await cache.clear()
  }

  /**
   * Adds the route `POST <url>` that purges what its body names: `{ "urls": ["/a"], "tags": ["b"], "soft": true }`. 204 when it is
   * done. The guard runs first.
   *
   * @throws `LARDER_RESPONSE_CACHE_NO_GUARD` without a guard
   * @example app.responseCache.purgeRoute('/purge', { guard: app.verifyBearerAuth })
   */
  purgeRoute(url: string, { guard }: { guard: PurgeGuard | readonly PurgeGuard[] }): void {
    const guards = (Array.isArray(guard) ? guard : [guard]) as PurgeGuard[]
    if (guards.length === 0 || !guards.every((one) => typeof one === 'function')) throw new NoGuardError()
    this.#app.post(
      url,
      { onRequest: guards as onRequestHookHandler[], config: { responseCache: false } },
      async (request: FastifyRequest, reply: FastifyReply) => {
        const { urls, tags, soft } = readBody(request.body)
        await Promise.all(urls.map((one) => this.purge(one, { soft })))
        if (tags.length > 0) await this.purgeTags(tags, { soft })
        return reply.code(204).send()
      },
    )
  }
}

/** The path and query of a URL, as a request for it has them. */
function pathOf(url: string): string {
  return /^https?:\/\//i.test(url) ? url.replace(/^https?:\/\/[^/?]*/i, '').replace(/^(?!\/)/, '/') : url
}

function readBody(body: unknown): { urls: readonly string[]; tags: readonly string[]; soft: boolean } {
  if (typeof body !== 'object' || body === null) throw new BadPurgeError('an object')
  const { urls = [], tags = [], soft = false } = body as Record<string, unknown>
  if (!isTexts(urls)) throw new BadPurgeError('`urls` to be an array of non-empty strings')
  if (!isTexts(tags)) throw new BadPurgeError('`tags` to be an array of non-empty strings')
  if (typeof soft !== 'boolean') throw new BadPurgeError('`soft` to be a boolean')
  if (urls.length + tags.length === 0) throw new BadPurgeError('`urls` or `tags` that name something')
  return { urls, tags, soft }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string' && one !== '')
}
