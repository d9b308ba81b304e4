import type { Cache } from '@larder/cache-aside'
import { answerState, decorate } from '@larder/core'
import type {
  FastifyInstance,
  FastifyPluginAsync,
  FastifyReply,
  FastifyRequest,
  RouteOptions as FastifyRoute,
} from 'fastify'
import fp from 'fastify-plugin'
import { capture } from './capture.js'
import { responseChannel } from './channel.js'
import type { Desk } from './desk.js'
import { NoCacheError, NoTagsError } from './errors.js'
import { Exchange } from './exchange.js'
import { FailedError } from './lead.js'
import { answerLocally } from './local.js'
import {
  type ResolvedOptions,
  type ResolvedRoute,
  type ResponseCacheOptions,
  type ResponseRouteOptions,
  resolveOptions,
  resolveRoute,
} from './options.js'
import { Outlet } from './outlet.js'
import { pageCodec } from './page.js'
import { Posted } from './posted.js'
import { ResponseCache } from './purge.js'
import { bypassOf, questionOf } from './question.js'
import { Revalidations } from './revalidation.js'
import { Sites } from './site.js'
import { invalidateAfter, isUnsafe } from './unsafe.js'

/** Instances registered with a `name`: augment it to type `fastify.responseCache.<name>`. */
// biome-ignore lint/suspicious/noEmptyInterface: users add the names they register
export interface ResponseCacheInstances {}

/** On requests that were not answered at once: no decorator, which would cost all others, too. */
const EXCHANGE: unique symbol = Symbol('larder.response-cache.exchange')
/** On the options of a route that is looked after. */
const HANDLED: unique symbol = Symbol('larder.response-cache.handled')

declare module 'fastify' {
  interface FastifyInstance {
    responseCache: ResponseCache & ResponseCacheInstances
  }
  interface FastifyRequest {
    [EXCHANGE]?: Exchange | Posted
  }
  interface FastifyContextConfig {
    /** How the responses of this route are kept by `@larder/response-cache`; `true` as the registration says, `false` not at all. */
    responseCache?: boolean | ResponseRouteOptions
  }
}

type Done = (error?: Error | null, payload?: unknown) => void
type Hooks = Record<string | symbol, unknown>

const plugin: FastifyPluginAsync<ResponseCacheOptions> = async (fastify, raw) => {
  const options = resolveOptions(raw)
  let desk: Desk | undefined
  let needTags: string | undefined
  const routes = new Set<string>()
  const deskOf = (): Desk => {
    desk ??= open(fastify, options)
    return desk
  }
  fastify.addHook('onRoute', (route) => {
    const hooks = route as unknown as Hooks
    if (hooks[HANDLED]) return
    const kept = resolveRoute(route.config?.responseCache, options)
    if (kept && (typeof kept.tags === 'function' || kept.tags.length > 0)) needTags ??= `The route ${route.url} names`
    const methods = [route.method].flat()
    if (kept) {
      routes.add(route.url)
      keepRoute(route, methods, options, kept, deskOf)
    }
    if (route.config?.responseCache !== false && methods.some(isUnsafe)) watchRoute(route, kept, deskOf)
    hooks[HANDLED] = true
  })
  fastify.addHook('onReady', async () => {
    if (needTags !== undefined && !deskOf().tagged) throw new NoTagsError(needTags)
    deskOf()
  })
  const name = nameOf(options)
  const endState = answerState(fastify.server, () => [
    { plugin: 'responses', name, values: {} },
    ...[...routes].map((part) => ({ plugin: 'responses', name, part, values: {} })),
  ])
  fastify.addHook('onClose', async () => endState())
  decorate(fastify, 'responseCache', new ResponseCache(fastify, deskOf), options.name)
}

/** Of the registration, in events and as a child namespace of the cache. */
function nameOf({ name = 'responses' }: ResolvedOptions): string {
  return name
}

/** Found when the application is ready, so that the order of registration does not matter. */
function open(fastify: FastifyInstance, options: ResolvedOptions): Desk {
  const caches = fastify.hasDecorator('cache')
    ? (fastify as unknown as { cache: Cache & Record<string, Cache> }).cache
    : undefined
  const cache = options.cache === undefined ? caches : caches?.[options.cache]
  if (typeof cache?.namespace !== 'function')
    throw new NoCacheError(`fastify.cache${options.cache === undefined ? '' : `.${options.cache}`}`)
  const name = nameOf(options)
  let warned = false
  return {
    name,
    app: fastify.server,
    // Expired pages are given to whoever loads, to be revalidated.
    cache: cache.namespace(name, {
      codec: pageCodec,
      retain: 1,
      staleWhileRevalidate: 0,
      staleIfError: 0,
      jitter: 0,
      eager: false,
    }),
    options,
    revalidations: new Revalidations(fastify),
    sites: new Sites(),
    tagged: fastify.hasDecorator('tags'),
    warnOfTags: () => {
      if (!warned)
        fastify.log.warn('larder: a response names tags, but nothing invalidates them: register @larder/tags')
      warned = true
    },
  }
}

/** Adds the hooks of a route whose responses are kept: behind its own, and those of all plugins before. */
function keepRoute(
  route: FastifyRoute,
  methods: readonly string[],
  options: ResolvedOptions,
  kept: ResolvedRoute,
  deskOf: () => Desk,
): void {
  const posts = methods.includes('POST') && route.config?.responseCache !== undefined
  if (!methods.includes('GET') && !methods.includes('HEAD') && !posts) return
  const outlet = new Outlet(route.url)
  const look = (request: FastifyRequest, reply: FastifyReply, done: Done): void => {
    const desk = deskOf()
    const begun = responseChannel.hasSubscribers ? performance.now() : undefined
    const job = desk.revalidations.take(request)
    const own = questionOf(desk, kept, request)
    const question = job ? { ...own, site: job.site } : own
    const alone = job ? undefined : bypassOf(request, question.control)
    if (!job && !alone && answerLocally({ desk, outlet, question, request, reply, begun })) return
    const exchange = new Exchange({ desk, route: kept, outlet, question, request, reply, begun, handle: done })
    request[EXCHANGE] = exchange
    // Whoever the application takes us for.
    if (job?.lead && job.user === own.user) exchange.revalidate(job.lead)
    else if (job) exchange.run({ fwd: 'request' })
    else if (alone) exchange.run(alone)
    else exchange.find()
  }
  append(route, options.hook, (request: FastifyRequest, reply: FastifyReply, done: Done) => {
    const { method } = request
    if (method === 'GET' || method === 'HEAD') look(request, reply, done)
    else if (method === 'POST' && posts) {
      const posted = new Posted(deskOf(), kept, request, reply)
      request[EXCHANGE] = posted
      posted.start(done)
    } else done()
  })
  append(route, 'onError', (request: FastifyRequest, _reply: FastifyReply, _error: Error, done: Done) => {
    outlet.forget(request)
    const exchange = request[EXCHANGE]
    if (exchange instanceof Exchange) exchange.failed = true
    done()
  })
  // What Fastify throws on when it sends must find a promise: thrown into a callback, nobody would catch it.
  append(route, 'onSend', (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: Done) => {
    const exchange = request[EXCHANGE]
    if (exchange instanceof Posted) return exchange.finish(payload).then(() => payload)
    if (exchange === undefined || exchange.served) return done(null, outlet.leave(request, reply, payload))
    return capture(exchange, payload).catch((error) => {
      if (exchange.lead?.open) exchange.lead.fail(new FailedError('It was not kept'))
      throw error
    })
  })
}

/** Adds the hook of a route that may change what is kept. */
function watchRoute(route: FastifyRoute, kept: ResolvedRoute | undefined, deskOf: () => Desk): void {
  append(route, 'onSend', (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: Done) => {
    // What a POST left is newer than what it made void.
    if (!isUnsafe(request.method) || request[EXCHANGE] instanceof Posted) return done(null, payload)
    return invalidateAfter(deskOf(), kept, request, reply).then(() => payload)
  })
}

/** Adds a hook as the last one of a route. */
function append(route: FastifyRoute, name: string, hook: unknown): void {
  const hooks = route as unknown as Hooks
  hooks[name] = [...[hooks[name] ?? []].flat(), hook]
}

/** The Fastify plugin: keeps whole responses in `fastify.cache`, and decorates the instance with {@link ResponseCache}. */
export const responseCache: FastifyPluginAsync<ResponseCacheOptions> = fp(plugin, {
  name: '@larder/response-cache',
  fastify: '5.x',
})
