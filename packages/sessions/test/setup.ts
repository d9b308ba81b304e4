import type { AddressInfo } from 'node:net'
import sessions, { type SessionsOptions } from '@larder/sessions'
import { type T, uniqueNamespace } from '@larder/test-redis'
import fastify, { type FastifyInstance } from 'fastify'

export { client, type T } from '@larder/test-redis'

import { Gates } from './gates.js'
import { addRoutes } from './routes.js'

export const SECRET = 'a secret that is long enough, really'

/** Behaviour is tested here, not how soon a busy machine answers. */
export const PATIENT = '10s'

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

/** An application with the routes of `routes.ts`, on an application that listens. */
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
