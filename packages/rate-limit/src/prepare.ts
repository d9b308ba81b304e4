import { normalizeIP } from '@fastify/rate-limit'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { InvalidValueError } from './errors.js'
import type { Limit } from './limit.js'
import type { Requests } from './requests.js'

/** Where a request's reply is found, for the fields that a store writes. */
export const REPLY: unique symbol = Symbol('larder.rate-limit.reply')

type Linked = FastifyRequest & { [REPLY]?: FastifyReply | null }

/** Whose session it is, if there is one; who cannot be asked for it counts by address, as a route that needs none must not fail. */
function userOf(request: FastifyRequest): string | undefined {
  try {
    const userId: unknown = (request as { session?: { userId?: unknown } | null }).session?.userId
    return userId === undefined || userId === null ? undefined : String(userId)
  } catch {
    return undefined
  }
}

/** The session's user, else the address, as `@fastify/rate-limit` puts it. */
export function keyOf({ key, ipv6Subnet }: Limit): (request: FastifyRequest) => unknown {
  if (key !== undefined) return key as (request: FastifyRequest) => unknown
  return (request) => userOf(request) ?? normalizeIP(request.ip, ipv6Subnet)
}

/** The option `timeWindow` that tells the store, beside the window, whose request it counts, and what it costs. */
export function windowOf(limit: Limit, requests: Requests): (request: FastifyRequest, key: string) => unknown {
  const { timeWindow, cost } = limit
  const byUser = limit.key === undefined
  const announce = (request: FastifyRequest, key: string, units: number): void => {
    const reply = (request as Linked)[REPLY] ?? undefined
    requests.announce({ key, request, reply, cost: units, user: byUser && userOf(request) !== undefined })
  }
  if (typeof timeWindow === 'number' && typeof cost === 'number') {
    return (request, key) => {
      announce(request, key, cost)
      return timeWindow
    }
  }
  return async (request, key) => {
    const units = typeof cost === 'number' ? cost : await cost(request, key)
    if (!Number.isSafeInteger(units) || units < 0)
      throw new InvalidValueError('cost', 'a whole number of 0 or more', String(units))
    const window = typeof timeWindow === 'number' ? timeWindow : await timeWindow(request, key)
    announce(request, key, units)
    return window
  }
}
