import { type Duration, OptionReader, type Size } from '@larder/core'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** Where in the lifecycle of a request a hit answers: the guards of later hooks are not run for it. */
export type LookupHook = 'onRequest' | 'preValidation' | 'preHandler'

/** Tags of a response, or how to tell them. */
export type ResponseTags = readonly string[] | ((request: FastifyRequest, reply: FastifyReply) => readonly string[])

/** Whose entries a request is answered from: `undefined` and `null` are everybody's. */
export type PrivateOf = (request: FastifyRequest) => string | number | null | undefined

/** How responses are kept: defaults of a registration, and options of a route as `config.responseCache`. */
export interface ResponseRouteOptions {
  /** How long an answer is fresh that does not say so itself. Default: it is not kept. */
  ttl?: Duration
  /** How long after that it is served while it is made anew in the background, unless it says so itself. Default 0. */
  staleWhileRevalidate?: Duration
  /** How long after that it is served where the handler fails with a 5xx, unless it says so itself. Default 0. */
  staleIfError?: Duration
  /** Names by which `fastify.tags` invalidates it, beside those in its fields `Surrogate-Key` and `Cache-Tag`. Default: none. */
  tags?: ResponseTags
  /** Request fields that choose the response, beside those it names in `Vary`, to which they are added. Default: none. */
  vary?: readonly string[]
  /** Keeps responses for each user apart. Default: one for all. */
  private?: PrivateOf
  /**
   * `'personal'`: what answers a request with cookies is kept only where it says `public` or `s-maxage`, or varies by `Cookie`.
   * `'ignore'`: the response depends on no cookie. Default `'personal'`.
   */
  cookies?: 'personal' | 'ignore'
  /** Bodies that are larger are passed on, and not kept. Default `'1mb'`. */
  maxBodyBytes?: Size
  /** Guesses how long a response with `Last-Modified` holds that does not say so (RFC 9111 section 4.2.2). Default `false`. */
  heuristics?: boolean
}

/** Options of `app.register(responseCache, options)`. */
export interface ResponseCacheOptions extends ResponseRouteOptions {
  /** `true`: every route in scope, for what its responses' own fields allow; else only those with `config.responseCache`. Default `false`. */
  global?: boolean
  /** `Cache-Status` on every answer of such a route: `false` for none, or its name and whether it tells the key. Default `true`. */
  status?: boolean | { name?: string; key?: boolean }
  /** Where a hit answers. Default `'preHandler'`: after all guards. */
  hook?: LookupHook
  /** Kept at most of one URL, by what its responses vary by. Default 256. */
  maxVariants?: number
  /** The instance `fastify.cache.<name>` that responses are kept in. Default: `fastify.cache`. */
  cache?: string
  /** A second registration, as `fastify.responseCache.<name>`; also its child namespace of the cache. Default `'responses'`. */
  name?: string
}

/** Complete options of a route: durations in milliseconds, sizes in bytes. */
export interface ResolvedRoute {
  readonly ttl: number | undefined
  readonly staleWhileRevalidate: number
  readonly staleIfError: number
  readonly tags: ResponseTags
  readonly vary: readonly string[]
  readonly private: PrivateOf | undefined
  readonly cookies: 'personal' | 'ignore'
  readonly maxBodyBytes: number
  readonly heuristics: boolean
}

/** Complete options of a registration. */
export interface ResolvedOptions {
  readonly global: boolean
  /** Its name in `Cache-Status`; `undefined` for none. */
  readonly status: string | undefined
  readonly statusKey: boolean
  readonly hook: LookupHook
  readonly maxVariants: number
  readonly cache: string | undefined
  readonly name: string | undefined
  readonly route: ResolvedRoute
}

const DEFAULT_ROUTE: ResolvedRoute = Object.freeze({
  ttl: undefined,
  staleWhileRevalidate: 0,
  staleIfError: 0,
  tags: [],
  vary: [],
  private: undefined,
  cookies: 'personal',
  maxBodyBytes: 1024 ** 2,
  heuristics: false,
})

/** Reads, checks and completes the options of a registration. Throws `LARDER_INVALID_OPTION`. */
export function resolveOptions(raw: unknown): ResolvedOptions {
  const reader = new OptionReader(raw)
  const given = reader.raw('status')
  const status = typeof given === 'object' && given !== null ? reader.nested('status') : undefined
  const statusName = status?.value('name', 'a token of structured fields', isToken, 'Larder') ?? 'Larder'
  const options: ResolvedOptions = {
    global: reader.boolean('global', false),
    status: status || reader.boolean('status', true) ? statusName : undefined,
    statusKey: status?.boolean('key', false) ?? false,
    hook: reader.value('hook', "'onRequest', 'preValidation' or 'preHandler'", isHook, 'preHandler'),
    maxVariants: reader.integer('maxVariants', 256),
    cache: reader.string('cache', undefined),
    name: reader.namespace('name', undefined),
    route: readRoute(reader, DEFAULT_ROUTE),
  }
  status?.done()
  reader.done()
  return Object.freeze(options)
}

/** Reads, checks and completes `config.responseCache`; `undefined` where a route is not kept. Throws `LARDER_INVALID_OPTION`. */
export function resolveRoute(raw: unknown, options: ResolvedOptions): ResolvedRoute | undefined {
  if (raw === false) return undefined
  if (raw === undefined) return options.global ? options.route : undefined
  if (raw === true) return options.route
  const reader = new OptionReader(raw, 'config.responseCache.')
  const route = readRoute(reader, options.route)
  reader.done()
  return route
}

function readRoute(reader: OptionReader, defaults: ResolvedRoute): ResolvedRoute {
  return Object.freeze({
    ttl: reader.duration('ttl', defaults.ttl),
    staleWhileRevalidate: reader.duration('staleWhileRevalidate', defaults.staleWhileRevalidate, 0),
    staleIfError: reader.duration('staleIfError', defaults.staleIfError, 0),
    tags: reader.value('tags', 'an array of non-empty strings or a function', isTags, defaults.tags),
    vary: reader
      .value('vary', 'an array of names of header fields', isNames, defaults.vary)
      .map((name) => name.toLowerCase()),
    private: reader.function<PrivateOf, undefined>('private', undefined) ?? defaults.private,
    cookies: reader.value('cookies', "'personal' or 'ignore'", isCookies, defaults.cookies),
    maxBodyBytes: reader.size('maxBodyBytes', defaults.maxBodyBytes),
    heuristics: reader.boolean('heuristics', defaults.heuristics),
  })
}

function isToken(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z*][A-Za-z0-9!#$%&'*+\-.^_`|~:/]*$/.test(value)
}

function isHook(value: unknown): value is LookupHook {
  return value === 'onRequest' || value === 'preValidation' || value === 'preHandler'
}

function isCookies(value: unknown): value is 'personal' | 'ignore' {
  return value === 'personal' || value === 'ignore'
}

function isNames(value: unknown): value is readonly string[] {
  return (
    Array.isArray(value) &&
    value.every((name) => typeof name === 'string' && /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name) && name !== '*')
  )
}

function isTags(value: unknown): value is ResponseTags {
  return (
    typeof value === 'function' || (Array.isArray(value) && value.every((tag) => typeof tag === 'string' && tag !== ''))
  )
}
