import type { FastifyRateLimitStore } from '@fastify/rate-limit'
import { invalidOption } from '@larder/core'
import type { FastifyReply } from 'fastify'
import type { Policy } from './algorithm.js'
import { rateLimitChannel } from './channel.js'
import { InvalidValueError } from './errors.js'
import { limitField, policyField } from './fields.js'
import type { Limit } from './limit.js'
import type { Answer, Limiter } from './limiter.js'
import { resolveStoreLimit } from './options.js'
import type { CountedRequest, Requests } from './requests.js'
import { countedBy, fingerprint, keyOf, type Scope, scopeOf } from './scope.js'
import type { Penalty } from './store.js'

/** What all counters of a registration, or of one class of {@link createStore}, share. */
export interface Workshop {
  /** The application, in events. */
  readonly app: object | undefined
  readonly limiter: Limiter
  readonly limit: Limit
  /** Where requests are announced; `undefined`: by nobody. */
  readonly requests: Requests | undefined
  /** The path under which the plugin was registered. */
  readonly prefix: string
  /** Whether another registration around this one may have written its fields before. */
  readonly nested: boolean
  /** How many limiters there are of the same options. */
  readonly limiters: Map<string, number>
}

/** What is prepared for {@link Counter.child} rides in the options under this symbol. */
export const PREPARED: unique symbol = Symbol('larder.rate-limit.prepared')

/** A limit whose options were read already. */
export interface Prepared {
  readonly limit: Limit
  /** Of a limiter made by `createRateLimit` or `rateLimit`. */
  readonly id?: string
  /** Asked by a handler, which reads the result itself, so that no fields are written. */
  readonly manual?: boolean
  /** `createRateLimit()` without options: the registration's own counts. */
  readonly global?: boolean
}

/** The options that `@fastify/rate-limit` hands to its store, of a route laid over those of the registration. */
export interface CounterParams {
  continueExceeding?: boolean
  exponentialBackoff?: boolean
  ban?: number
  skipOnError?: boolean
  groupId?: string
  routeInfo?: { method?: string | string[]; url?: string }
  [PREPARED]?: Prepared
}

/** What `@fastify/rate-limit` is told. */
export interface Count {
  /** Units in use; more than `max` by the number of refusals for a request that is refused. */
  current: number
  /** Milliseconds until the limit is free again; for a refused request, until it would be let in. */
  ttl: number
}

type Callback = (error: Error | null, result?: Count) => void

/** The counts of one route, group, limiter, or of all routes without options, as a store of `@fastify/rate-limit`. */
export class Counter implements FastifyRateLimitStore {
  readonly #workshop: Workshop
  readonly #scope: Scope
  readonly #limit: Limit
  readonly #manual: boolean
  readonly #penalty: Penalty
  readonly #ban: number
  readonly #skipOnError: boolean
  #policies: readonly [Policy, ...Policy[]]
  #counted: string
  #policyField: string

  constructor(workshop: Workshop, scope: Scope, { limit, manual = false }: Prepared, params: CounterParams) {
    this.#workshop = workshop
    this.#scope = scope
    this.#limit = limit
    this.#manual = manual
    this.#penalty = params.continueExceeding ? 'renew' : params.exponentialBackoff ? 'double' : 'none'
    this.#ban = params.ban ?? -1
    this.#skipOnError = params.skipOnError ?? false
    this.#policies = [{ name: limit.policy, algorithm: limit.algorithm, max: 0, window: 1 }, ...limit.policies]
    const names = this.#policies.map(({ name }) => name)
    if (new Set(names).size < names.length)
      throw invalidOption('policies', `named differently from \`policy\` ('${limit.policy}')`, limit.policies)
    this.#counted = countedBy(this.#policies)
    this.#policyField = policyField(this.#policies)
  }

  /** Counts a request. */
  incr(key: string, callback: Callback, timeWindow: number, max: number): void {
    this.#ask(key, callback, timeWindow, max, true)
  }

  /** Looks, and changes nothing. */
  read(key: string, callback: Callback, timeWindow: number, max: number): void {
    this.#ask(key, callback, timeWindow, max, false)
  }

  /** The counter of a route, group or limiter. */
  child(route: object): Counter {
    const params: CounterParams = route
    const { limit: defaults, prefix } = this.#workshop
    const { url, method = '' } = params.routeInfo ?? {}
    const prepared = params[PREPARED] ?? {
      limit: resolveStoreLimit(params as Record<string, unknown>, 'rateLimit.', defaults),
    }
    if (prepared.global) return new Counter(this.#workshop, this.#scope, prepared, params)
    if (params.groupId !== undefined && url !== undefined)
      return new Counter(this.#workshop, scopeOf({ kind: 'group', id: params.groupId }, prefix), prepared, params)
    const scope =
      url === undefined
        ? scopeOf({ kind: 'limiter', id: prepared.id ?? prepared.limit.name ?? this.#unnamed(params) }, prefix)
        : scopeOf({ kind: 'route', method, url }, prefix)
    return new Counter(this.#workshop, scope, prepared, params)
  }

  /** A name that another process gives to the same limiter: what it is made of, and the how manieth of these. */
  #unnamed({ routeInfo, ...params }: CounterParams): string {
    return nameLimiter(this.#workshop.limiters, fingerprint(params))
  }

  #ask(key: string, callback: Callback, timeWindow: number, max: number, take: boolean): void {
    const counted = this.#workshop.requests?.take(key)
    const { limiter } = this.#workshop
    let answer: Answer | Promise<Answer>
    try {
      this.#measure(timeWindow, max)
      const cost = counted?.cost ?? (this.#limit.cost as number)
      const client = this.#client(key, counted)
      const demand = { key: client, policies: this.#policies, cost, ban: this.#ban, penalty: this.#penalty, take }
      answer = limiter.decide(demand, this.#limit.onRedisError, this.#scope.label)
    } catch (error) {
      callback(error as Error)
      return
    }
    const policies = this.#policies
    const policy = this.#policyField
    const tell = (given: Answer): void => {
      if (take && rateLimitChannel.hasSubscribers) this.#publish(given, policies, counted?.cost ?? 1)
      if (!this.#manual && this.#limit.draftHeaders && counted?.reply)
        this.#write(counted.reply, policy, limitField(policies, given.verdict))
      callback(null, toCount(given, policies))
    }
    if (!(answer instanceof Promise)) tell(answer)
    else
      answer.then(tell, (error: Error) => {
        if (!this.#manual && !this.#skipOnError) counted?.reply?.header('retry-after', 1)
        callback(error)
      })
  }

  /** `max` and `timeWindow` may be functions, so each request brings its own. */
  #measure(timeWindow: number, max: number): void {
    const [main, ...others] = this.#policies
    if (main.max === max && main.window === timeWindow) return
    if (typeof max !== 'number' || Number.isNaN(max)) throw new InvalidValueError('max', 'a number', String(max))
    if (typeof timeWindow !== 'number' || Number.isNaN(timeWindow))
      throw new InvalidValueError('timeWindow', 'a number of milliseconds', String(timeWindow))
    const whole = Math.min(Math.max(0, Math.trunc(max)), MOST)
    const window = Math.min(Math.max(1, Math.ceil(timeWindow)), MOST)
    if (main.max === whole && main.window === window) return
    this.#policies = [{ ...main, max: whole, window }, ...others]
    this.#policyField = policyField(this.#policies)
  }

  #client(key: string, counted: CountedRequest | undefined): string {
    // A user who is called like an address is not that address.
    let client = counted?.user ? `user:${key}` : `:${key}`
    if (this.#manual) {
      // The plugin has put the route's group behind the key without a sign between them.
      const route = counted?.request.routeOptions.config?.rateLimit
      if (route && route.groupId !== undefined) client = `${route.groupId.length}${client}`
    }
    return keyOf(this.#counted, this.#scope, client)
  }

  #write(reply: FastifyReply, policy: string, limit: string): void {
    const { nested } = this.#workshop
    reply.header('ratelimit-policy', nested ? after(reply.getHeader('ratelimit-policy'), policy) : policy)
    if (limit !== '') reply.header('ratelimit', nested ? after(reply.getHeader('ratelimit'), limit) : limit)
  }

  #publish({ verdict, source }: Answer, policies: readonly Policy[], cost: number): void {
    const { refusals, quotas } = verdict
    const type = refusals === 0 ? 'allowed' : this.#ban >= 0 && refusals > this.#ban ? 'banned' : 'limited'
    const remaining = refusals > 0 ? 0 : Math.min(...quotas.map(({ used }, i) => (policies[i] as Policy).max - used))
    rateLimitChannel.publish({ type, app: this.#workshop.app, limiter: this.#scope.label, source, cost, remaining })
  }
}

/** The largest `max` and window for which the arithmetic stays within whole numbers, each by itself. */
const MOST = 2 ** 45

/** The how manieth limiter of these options. */
export function nameLimiter(limiters: Map<string, number>, made: string): string {
  const count = (limiters.get(made) ?? 0) + 1
  limiters.set(made, count)
  return count === 1 ? made : `${made}.${count}`
}

/** What the plugin is told of several policies is the one with the least room. */
function toCount({ verdict: { refusals, wait, quotas } }: Answer, policies: readonly Policy[]): Count {
  const max = (policies[0] as Policy).max
  if (refusals > 0) return { current: max + refusals, ttl: wait }
  let count = { current: quotas[0]?.used ?? 0, ttl: quotas[0]?.reset ?? 0 }
  for (let i = 1; i < quotas.length; i++) {
    const { used, reset } = quotas[i] as (typeof quotas)[0]
    const current = max - ((policies[i] as Policy).max - used)
    if (current > count.current) count = { current: Math.min(current, max), ttl: reset }
  }
  return count
}

/** Both fields are lists. */
function after(written: unknown, value: string): string {
  return written === undefined ? value : `${String(written)}, ${value}`
}
