import rateLimitPlugin, { type errorResponseBuilderContext, type RateLimitPluginOptions } from '@fastify/rate-limit'
import { resolveClient } from '@larder/core'
import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { nameLimiter, PREPARED, type Prepared, type Workshop } from './counter.js'
import { classOf, openLimiter } from './create-store.js'
import { BannedError, ExceededError } from './errors.js'
import type { Limit } from './limit.js'
import { type RateLimitOptions, resolveLimit, resolveOptions } from './options.js'
import { keyOf, REPLY, windowOf } from './prepare.js'
import { Requests } from './requests.js'
import { fingerprint } from './scope.js'

/** The options of a route as its author wrote them: several registrations may prepare them. */
const SOURCE: unique symbol = Symbol('larder.rate-limit.source')

type Raw = Record<PropertyKey, unknown>
type Prepare = (raw: unknown, path: string, of: Omit<Prepared, 'limit'>) => Raw

const plugin: FastifyPluginAsync<RateLimitOptions> = async (fastify, raw) => {
  const options = resolveOptions(raw)
  const client = resolveClient(fastify, options.redis, '@larder/rate-limit')
  const { limiter, redisStore } = openLimiter(client, options, fastify.log, fastify.server)
  const requests = new Requests()
  const nested = fastify.hasRequestDecorator(REPLY)
  const workshop = {
    app: fastify.server,
    limiter,
    limit: options.limit,
    requests,
    prefix: fastify.prefix,
    nested,
    limiters: new Map(),
  }
  const close = () => redisStore?.close()
  fastify.addHook('onClose', async () => close())

  const prepare: Prepare = (given, path, of) => {
    const { limit, plugin } = resolveLimit(given, path, options.limit)
    return { ...(given as Raw), ...plugin, ...asked(limit, requests), [PREPARED]: { limit, ...of }, [SOURCE]: given }
  }
  if (!nested) linkReplies(fastify)
  prepareRoutes(fastify, prepare)
  const ownsLimiters = !fastify.hasDecorator('createRateLimit')
  await fastify.register(rateLimitPlugin, {
    errorResponseBuilder: refuse,
    ...options.plugin,
    ...asked(options.limit, requests),
    store: classOf(workshop, close),
  } as RateLimitPluginOptions)
  if (ownsLimiters) prepareLimiters(fastify, prepare, workshop)
  await redisStore?.settled()
}

/** What the plugin asks of a request, in its own words. */
function asked(limit: Limit, requests: Requests): Raw {
  return { timeWindow: windowOf(limit, requests), keyGenerator: keyOf(limit) }
}

function refuse(_request: FastifyRequest, { ban, after }: errorResponseBuilderContext): Error {
  return ban ? new BannedError(after) : new ExceededError(after)
}

/** A store is given a request's key and no more; fields are written on its reply. */
function linkReplies(fastify: FastifyInstance): void {
  fastify.decorateRequest(REPLY, null)
  fastify.addHook('onRequest', (request, reply, done) => {
    ;(request as unknown as Raw)[REPLY] = reply
    done()
  })
}

/** Runs before the plugin's own hook, which was added later. */
function prepareRoutes(fastify: FastifyInstance, prepare: Prepare): void {
  fastify.addHook('onRoute', (route) => {
    const given: unknown = route.config?.rateLimit
    if (typeof given !== 'object' || given === null) return
    const source = (given as Raw)[SOURCE] ?? given
    route.config = { ...route.config, rateLimit: prepare(source, 'config.rateLimit.', {}) }
  })
}

function prepareLimiters(fastify: FastifyInstance, prepare: Prepare, { limiters }: Pick<Workshop, 'limiters'>): void {
  const { createRateLimit, rateLimit } = fastify
  let ready = false
  fastify.addHook('onReady', async () => {
    ready = true
  })
  const idOf = (given: { name?: string }, caller: string): string => {
    if (typeof given.name === 'string') return given.name
    const made = fingerprint(given)
    if (!ready) return nameLimiter(limiters, made)
    // Made while serving, perhaps once a request: without a name, all of the same options are one.
    fastify.log.warn(
      `larder: fastify.${caller}() was called while serving, without a \`name\`: equal options share a limit`,
    )
    return `late.${made}`
  }
  const prepared = (given: object | undefined, caller: string, manual: boolean): object =>
    given === undefined
      ? prepare({}, '', { manual, global: true })
      : prepare(given, `${caller}.`, { manual, id: idOf(given, caller) })
  fastify.createRateLimit = (given) => createRateLimit(prepared(given, 'createRateLimit', true))
  fastify.rateLimit = ((given?: object) => rateLimit(prepared(given, 'rateLimit', false))) as typeof rateLimit
}

/**
 * The Fastify plugin: registers `@fastify/rate-limit` with a store that holds its limits in Redis, or in memory, and adds the fields
 * `RateLimit` and `RateLimit-Policy`.
 */
export const rateLimit: FastifyPluginAsync<RateLimitOptions> = fp(plugin, {
  name: '@larder/rate-limit',
  fastify: '5.x',
})
