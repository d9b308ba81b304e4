import type { FastifyInstance, FastifyRequest, Session } from 'fastify'
import type { Gates } from './gates.js'

declare module 'fastify' {
  interface Session {
    [field: `f${number}`]: number
    cart?: Record<string, number>
    theme?: string
    count?: number
    note?: unknown
  }
}

type Body = Record<string, unknown>

function data(request: FastifyRequest): Body {
  const { cookie: _, ...fields } = request.session as unknown as Body
  return fields
}

/** The routes that tests call. */
export function addRoutes(app: FastifyInstance, gates: Gates): void {
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
  app.post('/function', async (request) => {
    Object.assign(request.session, { note: () => 1 })
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
