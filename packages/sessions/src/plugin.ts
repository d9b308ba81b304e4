import cookie from '@fastify/cookie'
import type { FastifySessionObject } from '@fastify/session'
import { answerState, type Duration, decorate, OptionReader, resolveClient } from '@larder/core'
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { Bridge, type Desk } from './bridge.js'
import { RegisteredError } from './errors.js'
import { Keeper } from './keeper.js'
import { MemoryStore } from './memory-store.js'
import { type ResolvedOptions, resolveOptions, type SessionsOptions, type UserId } from './options.js'
import { readFields } from './record.js'
import { RedisStore } from './redis-store.js'
import { Sessions } from './sessions.js'
import { type House, Visit } from './visit.js'

/** Instances registered with a `name`: augment it to type `fastify.sessions.<name>`. */
// biome-ignore lint/suspicious/noEmptyInterface: users add the names they register
export interface SessionsInstances {}

const VISIT: unique symbol = Symbol('larder.sessions.visit')

declare module 'fastify' {
  interface FastifyInstance {
    sessions: Sessions<FastifyRequest> & SessionsInstances
  }
  interface FastifyRequest {
    [VISIT]: Visit | null
    /**
     * Binds the request's session to a user: under a new id, while the old one is gone. `data` become fields of it, beside those it
     * had unless they were another user's. Read `request.session` anew afterwards.
     *
     * @throws `LARDER_SESSIONS_UNAVAILABLE`, `LARDER_SESSIONS_INSECURE`
     * @example await request.login(user.id, { data: { theme: 'dark' } })
     */
    login(userId: UserId, options?: { data?: Partial<Session> }): Promise<void>
    /** Ends the session for good, also for requests under way. `request.session` is a new, empty one afterwards. */
    logout(): Promise<void>
    /**
     * A new id for the same session. Requests with the old one are served for `grace` (default: that of the registration), so that
     * parallel ones are not logged out; 0 when somebody may know the old id.
     *
     * @throws `LARDER_SESSIONS_ENDED` when it was ended meanwhile
     */
    rotate(options?: { grace?: Duration }): Promise<void>
  }
  interface Session {
    /** Who is logged in. Set by `request.login()` only. */
    readonly userId?: UserId
  }
}

const plugin: FastifyPluginAsync<SessionsOptions> = async (fastify, raw) => {
  const options = resolveOptions(raw)
  if (fastify.hasDecorator('decryptSession') || fastify.hasRequestDecorator('session')) throw new RegisteredError()
  const { namespace, lifetimes, deadline } = options
  const client = resolveClient(fastify, options.redis, '@larder/sessions')
  const store = client
    ? new RedisStore(client, { namespace, lifetimes, deadline, log: fastify.log })
    : new MemoryStore(fastify.server, namespace, lifetimes, options.now)
  const { sealer, maxPerUser, grace, migrate } = options
  const { touchEvery } = lifetimes
  const name = options.name ?? namespace
  const keeper = new Keeper({ app: fastify.server, name, store, sealer, maxPerUser, grace, touchEvery, migrate })
  const endState = answerState(fastify.server, () => ({ plugin: 'sessions', name, values: {} }))
  fastify.addHook('onClose', async () => {
    endState()
    store.close()
  })
  if (!fastify.hasRequestDecorator('cookies')) await fastify.register(cookie)
  fastify.decorateRequest(VISIT, null)
  const bridge = new Bridge(options, deskOf(keeper))
  await bridge.register(fastify, {
    getter(this: FastifyRequest) {
      return this[VISIT] ? this[VISIT].session : null
    },
    setter(this: FastifyRequest, value: unknown) {
      if (this[VISIT]) this[VISIT].session = value
    },
  } as { getter(): unknown; setter(value: unknown): void })
  addHooks(fastify, { keeper, bridge, ...options }, options)
  addMethods(fastify, grace)
  decorate(fastify, 'sessions', new Sessions<FastifyRequest>(keeper, (request) => request[VISIT]?.record), options.name)
  await store.settled()
}

function addHooks(fastify: Parameters<typeof plugin>[0], house: House, options: ResolvedOptions): void {
  const { keeper, bridge } = house
  const { cookieName, cookiePrefix } = options
  const { path = '/' } = options.cookie
  fastify.addHook('onRequest', (request, _reply, done) => {
    const cookie = request.cookies?.[cookieName]
    if (path !== '/' && !covers(path, request.raw.url ?? '/')) {
      request[VISIT] = new Visit(house, request, { state: 'outside' })
      done()
      return
    }
    const signed = cookie?.startsWith(cookiePrefix) ? bridge.verify(cookie.slice(cookiePrefix.length)) : undefined
    if (!signed) {
      request[VISIT] = new Visit(house, request, { state: 'none' })
      done()
      return
    }
    keeper.load(signed.id, signed.key).then(
      (arrival) => {
        request[VISIT] = new Visit(house, request, arrival, signed)
        done()
      },
      (error) => {
        // Only who needs the session is refused: see the getter of `request.session`.
        request[VISIT] = new Visit(house, request, { state: 'unavailable', error }, signed)
        done()
      },
    )
  })
  fastify.addHook('onSend', (request, reply, _payload, done) => {
    let work: Promise<void> | undefined
    try {
      work = request[VISIT]?.finish(reply)
    } catch (error) {
      done(error as Error)
      return
    }
    if (!work) done()
    else
      work.then(
        () => done(),
        (error) => {
          if (error.code === 'LARDER_SESSIONS_UNAVAILABLE') reply.header('retry-after', '1')
          done(error)
        },
      )
  })
}

function addMethods(fastify: Parameters<typeof plugin>[0], grace: number): void {
  fastify.decorateRequest('login', async function (this: FastifyRequest, userId, login = {}) {
    const reader = new OptionReader(login)
    const data = reader.raw('data')
    if (data !== undefined && (typeof data !== 'object' || data === null))
      throw reader.invalid('data', 'an object', data)
    reader.done()
    await visitOf(this).login(userId, data ?? {})
  })
  fastify.decorateRequest('logout', async function (this: FastifyRequest) {
    await visitOf(this).logout()
  })
  fastify.decorateRequest('rotate', async function (this: FastifyRequest, rotation = {}) {
    const reader = new OptionReader(rotation)
    const milliseconds = Math.ceil(reader.duration('grace', grace, 0))
    reader.done()
    await visitOf(this).rotate(milliseconds)
  })
}

function visitOf(request: FastifyRequest): Visit {
  const visit = request[VISIT]
  if (!visit) throw new TypeError('There is no session before the onRequest hook of @larder/sessions')
  return visit
}

function deskOf(keeper: Keeper): Desk {
  return {
    read: async (id) => {
      const arrival = await keeper.load(id)
      return arrival.state === 'live' ? { record: arrival.record, fields: readFields(arrival.record) } : undefined
    },
    modified: (session, request) => request?.[VISIT]?.modified(session) ?? true,
    write: async (id, session: FastifySessionObject, request, fresh) => {
      await request?.[VISIT]?.write(id, session, fresh)
    },
    end: (id) => keeper.endId(id, 'logout'),
  }
}

/** As `@fastify/session` decides whether a path is within that of the cookie. */
function covers(path: string, url: string): boolean {
  const [pathname = '/'] = url.split('?', 1)
  if (pathname === path) return true
  return pathname.startsWith(path) && (pathname[path.length] === '/' || path.endsWith('/'))
}

/** The Fastify plugin: decorates the instance with {@link Sessions} as `fastify.sessions`, and requests with `session`. */
export const sessions: FastifyPluginAsync<SessionsOptions> = fp(plugin, { name: '@larder/sessions', fastify: '5.x' })
