import type { AddressInfo } from 'node:net'
import cookie from '@fastify/cookie'
import fastifySession, { type FastifySessionOptions, type SessionStore } from '@fastify/session'
import sessions from '@larder/sessions'
import { serveWorker } from '@larder/test-redis'
import Fastify, { type FastifyInstance } from 'fastify'
import { Redis } from 'ioredis'

const SECRET = 'a secret that is long enough, really'
const HOST = '127.0.0.1'
/** What a shop keeps in a session. */
const DATA = {
  theme: 'dark',
  locale: 'en-GB',
  cart: { 17: 1, 423: 2, 4711: 1 },
  returnTo: '/products?category=5&sort=price',
}

/** As connect-redis does it: the whole session as JSON under its plain id. */
class PlainStore implements SessionStore {
  readonly #redis: Redis

  constructor(redis: Redis) {
    this.#redis = redis
  }

  get(id: string, callback: Parameters<SessionStore['get']>[1]): void {
    this.#redis.get(`sess:${id}`).then(
      (text) => callback(null, text === null ? null : JSON.parse(text)),
      (error) => callback(error),
    )
  }

  set(id: string, session: object, callback: Parameters<SessionStore['set']>[2]): void {
    this.#redis.set(`sess:${id}`, JSON.stringify(session), 'EX', 1_800).then(
      () => callback(),
      (error) => callback(error),
    )
  }

  destroy(id: string, callback: Parameters<SessionStore['destroy']>[1]): void {
    this.#redis.del(`sess:${id}`).then(
      () => callback(),
      (error) => callback(error),
    )
  }
}

/** An application that listens, and the cookie of somebody who is logged in. */
export interface Target {
  readonly name: string
  readonly url: string
  readonly cookie: string
}

async function listen(name: string, app: FastifyInstance): Promise<Target> {
  app.post('/login', async (request) => {
    if ('login' in request && 'sessions' in app) await request.login('user-17', { data: DATA as object })
    else if ('session' in request) Object.assign(request.session, DATA, { userId: 'user-17' })
    return 'ok'
  })
  app.get('/', async (request) => ({ user: 'session' in request ? request.session.userId : 'user-17' }))
  const { headers } = await app.inject({ method: 'POST', url: '/login' })
  await app.listen({ port: 0, host: HOST })
  const { port } = app.server.address() as AddressInfo
  return { name, url: `http://${HOST}:${port}`, cookie: String(headers['set-cookie'] ?? '').split(';', 1)[0] as string }
}

async function peer(name: string, options: Partial<FastifySessionOptions>): Promise<Target> {
  const app = Fastify()
  await app.register(cookie)
  await app.register(fastifySession, {
    secret: SECRET,
    cookie: { secure: false },
    saveUninitialized: false,
    ...options,
  })
  return listen(name, app)
}

async function ours(name: string, redis: Redis | false): Promise<Target> {
  const app = Fastify()
  await app.register(sessions, { secret: SECRET, redis })
  return listen(name, app)
}

const methods = {
  listen: async (): Promise<Target[]> => {
    const redis = (): Redis => new Redis(process.env.BENCH_REDIS_URL as string)
    return [
      await listen('no session', Fastify()),
      await ours('@larder/sessions on Redis', redis()),
      await ours('@larder/sessions in memory', false),
      await peer('memory store', {}),
      await peer('memory store, rolling: false', { rolling: false }),
      await peer('plain ioredis store', { store: new PlainStore(redis()) }),
      await peer('plain ioredis store, rolling: false', { store: new PlainStore(redis()), rolling: false }),
    ]
  },
}

/** What the worker can be asked for. */
export type Methods = typeof methods

serveWorker(methods)
