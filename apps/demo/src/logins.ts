import type { Locks } from '@larder/locks'
import { normalizeIP } from '@larder/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { BadCredentialsError, TooManyAttemptsError } from './errors.js'
import { type Credentials, type Users, userId } from './users.js'

/** Failures after which an address may not try again for a while: at one account, and at all of them. */
const FAILURES = { account: 10, address: 100 }
const WINDOW = '5 minutes'
/** How many passwords for one account are checked at once from one address: else a burst would be through before the first failed. */
const AT_ONCE = 4

type Limiter = ReturnType<FastifyInstance['createRateLimit']>
type Attempt = FastifyRequest<{ Body: Credentials }>

/**
 * Checks passwords, and no more wrong ones than somebody needs who forgot his own. Only failures count, so that nobody is kept out
 * who knows his password; and they count by the address that they come from, so that nobody keeps others out of their account.
 */
export class Logins {
  readonly #users: Users
  readonly #locks: Locks
  readonly #limiters: readonly Limiter[]

  constructor(app: FastifyInstance, users: Users) {
    this.#users = users
    this.#locks = app.locks
    const common = { timeWindow: WINDOW, cost: 1 }
    this.#limiters = [
      app.createRateLimit({
        ...common,
        name: 'login-account',
        max: FAILURES.account,
        key: (request) => accountOf(request as Attempt),
      }),
      app.createRateLimit({ ...common, name: 'login-address', max: FAILURES.address, key: addressOf }),
    ]
  }

  /**
   * The id of the user whose e-mail and password these are.
   *
   * @throws BadCredentialsError, TooManyAttemptsError
   */
  async authenticate(request: Attempt): Promise<string> {
    await using _ = await this.#locks.semaphore(['login', accountOf(request)], { permits: AT_ONCE }).acquire()
    for (const limiter of this.#limiters) {
      const limit = await limiter(request, { increment: false })
      if (!limit.isAllowed && limit.remaining === 0) throw tooMany(limit.ttlInSeconds)
    }
    const user = await this.#users.authenticate(request.body)
    if (user !== undefined) return user
    for (const limiter of this.#limiters) await limiter(request)
    throw new BadCredentialsError()
  }
}

function addressOf({ ip }: FastifyRequest): string {
  return String(normalizeIP(ip, 64))
}

function accountOf(request: Attempt): string {
  return `${addressOf(request)} ${userId(request.body.email)}`
}

function tooMany(seconds: number): Error {
  return Object.assign(new TooManyAttemptsError(seconds), { headers: { 'retry-after': String(Math.max(1, seconds)) } })
}
