import { randomBytes } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { RedisClient } from './redis.js'

const KEY = 'shop:session-secret'

/**
 * What signs the cookies of sessions when nobody said: made at the first start and kept in Redis beside the sessions, so that all
 * processes have the same one; without Redis made anew at each start. Who reads it there can forge a signature, and no session: ids
 * are 256 random bits, of which Redis has a hash.
 */
export async function makeSessionSecret(app: FastifyInstance, redis: RedisClient | undefined): Promise<string> {
  const made = randomBytes(32).toString('base64url')
  const where = redis ? `a secret kept in Redis as ${KEY}` : 'a secret of this start, and end with it'
  app.addHook('onListen', async () => {
    app.log.warn(`SESSION_SECRET is unset: sessions are signed with ${where}. Set one, the same for all processes`)
  })
  if (redis === undefined) return made
  await redis.set(KEY, made, 'NX')
  return (await redis.get(KEY)) ?? made
}
