import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { UserRequiredError } from './errors.js'

const HEADER = 'x-demo-user'

/** The header that says who is asking. */
export const UserHeaders = Type.Object({
  [HEADER]: Type.Optional(
    Type.String({ pattern: '^[\\w.@+-]{1,64}$', description: 'Any name of up to 64 letters, digits and `.@+-_`' }),
  ),
})

/** Who is asking; `undefined` for strangers. */
export function userOf({ headers }: FastifyRequest): string | undefined {
  const user = headers[HEADER]
  return typeof user === 'string' ? user : undefined
}

/** @throws UserRequiredError for strangers */
export function requireUser(request: FastifyRequest): string {
  const user = userOf(request)
  if (user === undefined) throw new UserRequiredError()
  return user
}
