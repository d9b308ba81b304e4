import type { AddressInfo } from 'node:net'
import sessions, { type SessionsOptions } from '@larder/sessions'
import { type RedisEndpoint, sharedCluster, sharedRedis, uniqueNamespace } from '@larder/test-redis'
import fastify, { type FastifyInstance, type FastifyRequest, type Session } from 'fastify'
import type { Cluster, Redis } from 'ioredis'
import type { Test } from 'tap'

declare module 'fastify' {
  interface Session {
    [field: `f${number}`]: number
    cart?: Record<string, number>
    theme?: string
    count?: number
    note?: unknown
  }
}

/** What a subtest of tap is given. */
export type T = Pick<Test, 'teardown'>

export const SECRET = 'a secret that is long enough, really'

/** Behaviour is tested here, not how soon a busy machine answers. */
const PATIENT = '10s'

/** Where handlers stop until the test lets them go on. */
export class Gates {
  readonly #arrived = new Map<string, { done: Promise<void>; tell: () => void }>()
  readonly #opened = new Map<string, { done: Promise<void>; tell: () => void }>()

  /** For a handler: says that it is there, and waits. */
  async pass(name: string): Promise<void> {
    part(this.#arrived, name).tell()
    await part(this.#opened, name).done
  }

  /** Resolves when a handler stands there. */
  arrived(name: string): Promise<void> {
    return part(this.#arrived, name).done
  }

  open(name: string): void {
    part(this.#opened, name).tell()
  }
}

function part(map: Map<string, { done: Promise<void>; tell: () => void }>, name: string) {
  const known = map.get(name)
  if (known) return known
  let tell = () => {}
  const done = new Promise<void>((resolve) => {
    tell = resolve
  })
  const made = { done, tell }
  map.set(name, made)
  return made
}

/** An application as one process has it, listening. */
export interface Opened {
  readonly app: FastifyInstance
  readonly url: string
  readonly namespace: string
  readonly gates: Gates
}

/** Where sessions are kept. */
export interface Site {
  readonly name: string
  open(t: T, options?: Partial<SessionsOptions>): Promise<Opened>
  /** Another process on the same sessions. */
  peer(t: T, opened: Opened, options?: Partial<SessionsOptions>): Promise<Opened>
  /** Lets time pass for the sessions of a namespace, without waiting. */
  age(opened: Opened, milliseconds: number): Promise<void>
  /** All that is stored, as text; in memory nothing can be looked at. */
  dump(opened: Opened): Promise<string>
}

/** The routes that tests call, on an application that listens. */
export async function listen(
  t: T,
  options: Partial<SessionsOptions>,
  more: (app: FastifyInstance) => void = () => {},
): Promise<Opened> {
  const app = fastify({ routerOptions: { maxParamLength: 500 } })
  t.teardown(() => app.close())
  const namespace = options.namespace ?? uniqueNamespace()
  await app.register(sessions, { secret: SECRET, ...options, namespace })
  const gates = new Gates()
  addRoutes(app, gates)
  more(app)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  return { app, url: `http://127.0.0.1:${port}`, namespace, gates }
}

type Body = Record<string, unknown>

function data(request: FastifyRequest): Body {
  const { cookie: _, ...fields } = request.session as unknown as Body
  return fields
}

function addRoutes(app: FastifyInstance, gates: Gates): void {
  const write = (request: FastifyRequest): void => void Object.assign(request.session, request.body ?? {})
  app.get('/plain', async () => 'plain')
  app.get('/', async (request) => data(request))
  app.get('/id', async (request) => request.session.sessionId)
  app.post('/set', async (request) => {
    write(request)
    return data(request)
  })
  app.post('/bigint', async (request) => {
    request.session.note = 1n
    return 'never sent'
  })
  app.post<{ Body: string[] }>('/remove', async (request) => {
    for (const name of request.body) delete (request.session as unknown as Body)[name]
    return data(request)
  })
  app.post<{ Body: Record<string, number> }>('/cart', async (request) => {
    request.session.cart ??= {}
    Object.assign(request.session.cart, request.body)
    return data(request)
  })
  app.post<{ Params: { user: string }; Body: Body }>('/login/:user', async (request) => {
    const user = /^\d+$/.test(request.params.user) ? Number(request.params.user) : request.params.user
    await request.login(user, { data: (request.body ?? {}) as Partial<Session> })
    return data(request)
  })
  app.post('/logout', async (request) => {
    await request.logout()
    return data(request)
  })
  app.post<{ Body: { grace?: number } }>('/rotate', async (request) => {
    await request.rotate(request.body ?? {})
    return data(request)
  })
  app.post<{ Body: string[] }>('/regenerate', async (request) => {
    await request.session.regenerate(request.body ?? [])
    return data(request)
  })
  app.post('/destroy', async (request) => {
    await request.session.destroy()
    return 'destroyed'
  })
  app.post<{ Params: { gate: string } }>('/slow/:gate', async (request) => {
    const before = data(request)
    await gates.pass(request.params.gate)
    write(request)
    return before
  })
  app.post<{ Params: { gate: string } }>('/slow-rotate/:gate', async (request) => {
    data(request)
    await gates.pass(request.params.gate)
    await request.rotate()
    return data(request)
  })
  app.get<{ Params: { gate: string } }>('/slow-read/:gate', async (request) => {
    data(request)
    await gates.pass(request.params.gate)
    await request.session.reload()
    return data(request)
  })
  app.post<{ Params: { gate: string } }>('/reload-and-write/:gate', async (request) => {
    data(request)
    await gates.pass(request.params.gate)
    await request.session.reload()
    write(request)
    return { modified: request.session.isModified() }
  })
  app.post('/explicit', async (request) => {
    const states = [request.session.isModified(), request.session.isSaved()]
    write(request)
    states.push(request.session.isModified())
    await request.session.save()
    states.push(request.session.isModified(), request.session.isSaved())
    return states
  })
  app.get<{ Params: { user: string } }>('/list/:user', async (request) =>
    app.sessions.list(request.params.user, { request }),
  )
  app.post<{ Params: { user: string; id: string } }>('/revoke/:user/:id', async (request) =>
    app.sessions.revoke(request.params.user, request.params.id),
  )
  app.post<{ Params: { user: string } }>('/revoke-others/:user', async (request) =>
    app.sessions.revokeAll(request.params.user, { except: request }),
  )
  app.post<{ Params: { user: string } }>('/revoke-all/:user', async (request) =>
    app.sessions.revokeAll(request.params.user),
  )
}

/** Whatever JSON came back: the tests compare it. */
export interface Json {
  readonly [name: string]: Json
}

/** What came back. */
export interface Answer {
  readonly status: number
  readonly body: Json
  readonly setCookie: string | undefined
  readonly headers: Headers
}

/** A client with one cookie, over real HTTP. */
export class Browser {
  cookie: string | undefined
  readonly #url: string

  constructor({ url }: Pick<Opened, 'url'>, cookie?: string) {
    this.#url = url
    this.cookie = cookie
  }

  /** Another one with the same cookie: who stole it, or a tab that does not hear of a new one. */
  copy(opened: Pick<Opened, 'url'> = { url: this.#url }): Browser {
    return new Browser(opened, this.cookie)
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.#send(path, { headers })
  }

  post(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    if (body === undefined) return this.#send(path, { method: 'POST', headers })
    const json = { 'content-type': 'application/json', ...headers }
    return this.#send(path, { method: 'POST', headers: json, body: JSON.stringify(body) })
  }

  async #send(
    path: string,
    init: { method?: string; headers: Record<string, string>; body?: string },
  ): Promise<Answer> {
    const headers = this.cookie === undefined ? init.headers : { ...init.headers, cookie: `sessionId=${this.cookie}` }
    const response = await fetch(this.#url + path, { ...init, headers })
    const [setCookie] = response.headers.getSetCookie()
    const value = setCookie && /^sessionId=([^;]*)/.exec(setCookie)?.[1]
    if (value !== undefined) this.cookie = value === '' ? undefined : decodeURIComponent(value)
    const text = await response.text()
    return { status: response.status, body: parse(text), setCookie, headers: response.headers }
  }
}

function parse(text: string): Json {
  try {
    return JSON.parse(text)
  } catch {
    return text as unknown as Json
  }
}

/** A client that ends with the test, after the application that was given it. */
export function client(t: T, server: Pick<RedisEndpoint, 'client'>): Redis {
  const redis = server.client()
  t.teardown(() => redis.disconnect())
  return redis
}

async function nodeOf(nodes: readonly RedisEndpoint[], pattern: string): Promise<[RedisEndpoint, string][]> {
  const found = await Promise.all(
    nodes.map(async (node) =>
      (await node.cli<string[]>('KEYS', pattern)).map((key): [RedisEndpoint, string] => [node, key]),
    ),
  )
  return found.flat()
}

/** All keys and values of a namespace. */
export async function dumpOf(nodes: readonly RedisEndpoint[], namespace: string): Promise<string> {
  const lines: string[] = []
  for (const [node, key] of await nodeOf(nodes, `*${namespace}*`)) {
    const type = await node.cli<string>('TYPE', key)
    const read = { hash: ['HGETALL', key], zset: ['ZRANGE', key, 0, -1, 'WITHSCORES'], string: ['GET', key] }[type]
    if (!read) throw new Error(`A key of type ${type}`)
    lines.push(`${key} ${JSON.stringify(await node.cli(read[0] as string, ...read.slice(1)))}`)
  }
  return lines.join('\n')
}

const AGE = `
local by = tonumber(ARGV[1])
local ttl = redis.call('PTTL', KEYS[1])
if redis.call('TYPE', KEYS[1]).ok == 'zset' then
  local all = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
  for i = 1, #all, 2 do redis.call('ZADD', KEYS[1], all[i + 1] - by, all[i]) end
else
  local m = redis.call('HGET', KEYS[1], 'm')
  if m then
    local created, over, rest = string.match(m, '^(%d+) (%d+) (.*)$')
    redis.call('HSET', KEYS[1], 'm', string.format('%.0f %.0f %s', created - by, over - by, rest))
    redis.call('HSET', KEYS[1], 's', string.format('%.0f', redis.call('HGET', KEYS[1], 's') - by))
  end
end
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ttl - by))
`

/** Makes all keys of a namespace as they would be after that time. */
export async function ageOn(nodes: readonly RedisEndpoint[], namespace: string, milliseconds: number): Promise<void> {
  for (const [node, key] of await nodeOf(nodes, `${namespace}:*`)) await node.cli('EVAL', AGE, 1, key, milliseconds)
}

/** Memory, one Redis, and a Cluster of three. */
export async function allSites(): Promise<Site[]> {
  const [server, cluster] = await Promise.all([sharedRedis(), sharedCluster()])
  const clocks = new Map<string, { offset: number; server: FastifyInstance['server'] }>()
  const clusterClient = (t: T): Cluster => {
    const redis = cluster.client()
    t.teardown(() => redis.disconnect())
    return redis
  }
  return [
    {
      name: 'in memory',
      open: async (t, options) => {
        const clock = { offset: 0 }
        const opened = await listen(t, { redis: false, now: () => Date.now() + clock.offset, ...options })
        clocks.set(opened.namespace, Object.assign(clock, { server: opened.app.server }))
        return opened
      },
      // Sessions in memory are those of one server: the peer is the same process.
      peer: async (_t, opened) => opened,
      age: async ({ namespace }, milliseconds) => {
        const clock = clocks.get(namespace)
        if (clock) clock.offset += milliseconds
      },
      dump: async () => '',
    },
    {
      name: 'on one Redis',
      open: (t, options) => listen(t, { redis: client(t, server), deadline: PATIENT, ...options }),
      peer: (t, { namespace }, options) =>
        listen(t, { redis: client(t, server), deadline: PATIENT, ...options, namespace }),
      age: ({ namespace }, milliseconds) => ageOn([server], namespace, milliseconds),
      dump: ({ namespace }) => dumpOf([server], namespace),
    },
    {
      name: 'on Cluster',
      open: (t, options) => listen(t, { redis: clusterClient(t), deadline: PATIENT, ...options }),
      peer: (t, { namespace }, options) =>
        listen(t, { redis: clusterClient(t), deadline: PATIENT, ...options, namespace }),
      age: ({ namespace }, milliseconds) => ageOn(cluster.nodes, namespace, milliseconds),
      dump: ({ namespace }) => dumpOf(cluster.nodes, namespace),
    },
  ]
}
