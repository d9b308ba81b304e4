import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import cacheAside, { type CacheAsideOptions } from '@larder/cache-aside'
import responseCache, { type ResponseCacheOptions } from '@larder/response-cache'
import tags from '@larder/tags'
import { sharedCluster, sharedRedis, uniqueNamespace } from '@larder/test-redis'
import fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { Cluster, Redis } from 'ioredis'
import type { Test } from 'tap'

/** What a subtest of tap is given. */
export type T = Pick<Test, 'teardown'>

/** Behaviour is tested here, not how soon a busy machine answers. */
const PATIENT = '20s'

/** What {@link open} makes an application with. */
export interface Setup extends ResponseCacheOptions {
  redis?: Redis | Cluster | false
  namespace?: string
  memory?: CacheAsideOptions['memory']
  deadline?: string
  server?: FastifyServerOptions
  before?(app: FastifyInstance): unknown
  routes(app: FastifyInstance): unknown
}

/** An application that listens. */
export interface Opened {
  readonly app: FastifyInstance
  readonly url: string
  readonly port: number
}

/** An application whose responses are kept. */
export async function open(t: T, setup: Setup): Promise<Opened> {
  const {
    redis = false,
    namespace = uniqueNamespace(),
    memory,
    deadline = PATIENT,
    server,
    before,
    routes,
    ...options
  } = setup
  const app = fastify({ forceCloseConnections: true, ...server })
  t.teardown(() => app.close())
  await app.register(cacheAside, { redis, namespace, deadline, ...(memory === undefined ? {} : { memory }) })
  await app.register(tags, { redis, namespace })
  await before?.(app)
  await app.register(responseCache, options)
  await routes(app)
  return listen(app)
}

/** Listens where nobody else does. */
export async function listen(app: FastifyInstance): Promise<Opened> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  return { app, url: `http://127.0.0.1:${port}`, port }
}

/** An answer, as it came over the socket. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly bytes: Buffer
  /** What this cache said in `Cache-Status`. */
  readonly cache: string
}

/** What {@link ask} sends. */
export interface Ask {
  method?: string
  headers?: Record<string, string | string[]>
  body?: string
}

/** Sends a request over a socket of its own. */
export function ask(url: string, { method = 'GET', headers = {}, body }: Ask = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url)
    // The target as it was given: a URL would be normalised.
    const path = url.replace(/^http:\/\/[^/?]*/, '') || '/'
    const request = httpRequest({ hostname, port, path, method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const bytes = Buffer.concat(chunks)
        const status = String(response.headers['cache-status'] ?? '')
        const cache = status.slice(status.lastIndexOf('Larder'))
        resolve({ status: response.statusCode as number, headers: response.headers, body: String(bytes), bytes, cache })
      })
    })
    request.on('error', reject)
    request.end(body)
  })
}

/** What comes back over a raw socket. */
export function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    let got = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    socket.on('data', (chunk) => {
      got += chunk
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(got))
  })
}

/** Where responses are kept. */
export interface Site {
  readonly name: string
  /** What an application is made with, so that two share what they keep. */
  share(t: T): { redis: Redis | Cluster | false; namespace: string }
}

/** Memory, one Redis, and a Cluster of three. */
export async function allSites(): Promise<Site[]> {
  const [server, cluster] = await Promise.all([sharedRedis(), sharedCluster()])
  const on = (name: string, connect: () => Redis | Cluster | false): Site => ({
    name,
    share: (t) => {
      const redis = connect()
      if (redis) {
        redis.on('error', () => {})
        t.teardown(() => redis.disconnect())
      }
      return { redis, namespace: uniqueNamespace() }
    },
  })
  return [
    on('in memory', () => false),
    on('on one Redis', () => server.client()),
    on('on a Cluster', () => cluster.client()),
  ]
}

/** A promise that a test resolves. */
export function deferred<Value = void>(): { promise: Promise<Value>; resolve: (value: Value) => void } {
  let resolve!: (value: Value) => void
  const promise = new Promise<Value>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
