import { handleOf } from './identity.js'
import type { Keeper } from './keeper.js'
import { checkUserId, type UserId } from './options.js'
import type { Record } from './record.js'
import { type Owner, type SessionKey, sameOwner } from './store.js'

/** A session as its user may see it. Times in milliseconds since 1970, by the store's clock. */
export interface SessionInfo {
  /** Public handle for {@link Sessions.revoke}: not the session's id, and of no use as a cookie. */
  readonly id: string
  readonly createdAt: number
  /** As of the last time that the expiry was moved: at most `touchEvery` behind. */
  readonly lastSeenAt: number
  /** When it ends at the latest. */
  readonly expiresAt: number
  readonly ip: string | undefined
  readonly userAgent: string | undefined
  /** Whether it is that of the request that was handed in. */
  readonly current: boolean
}

/** `fastify.sessions`: the sessions of users, told by who is logged in. Each call takes as many commands as the user has sessions. */
export class Sessions<Request extends object = object> {
  readonly #keeper: Keeper
  readonly #recordOf: (request: Request) => Record | undefined

  /** Made by the plugin. */
  constructor(keeper: Keeper, recordOf: (request: Request) => Record | undefined) {
    this.#keeper = keeper
    this.#recordOf = recordOf
  }

  /**
   * The user's sessions, oldest first.
   *
   * @param options `request`: whose session is marked `current`
   * @throws `LARDER_SESSIONS_UNAVAILABLE`
   * @example await fastify.sessions.list(request.session.userId, { request })
   */
  async list(userId: UserId, { request }: { request?: Request } = {}): Promise<SessionInfo[]> {
    const owner = ownerOf(userId)
    const current = request && this.#keyOf(request, owner)
    const { roster } = this.#keeper
    const living = await roster.living(owner, await roster.members(owner))
    return living.map(({ key, session }) => ({
      id: handleOf(key),
      createdAt: session.created,
      lastSeenAt: session.seen,
      expiresAt: session.end,
      ...readDevice(this.#keeper.device(session, key)),
      current: key === current,
    }))
  }

  /**
   * Ends one session of this user, and of no other. Whether there was one.
   *
   * @param id a handle of {@link list}
   * @throws `LARDER_SESSIONS_UNAVAILABLE`
   */
  async revoke(userId: UserId, id: string): Promise<boolean> {
    const owner = ownerOf(userId)
    const key = (await this.#keeper.roster.members(owner)).find((key) => handleOf(key) === id)
    return key !== undefined && this.#keeper.end(key, owner, 'revoked')
  }

  /**
   * Ends all sessions of this user, or all but that of a request. How many there were. Commands: as many as the user has sessions.
   *
   * @throws `LARDER_SESSIONS_UNAVAILABLE`: some may be left; call again
   */
  async revokeAll(userId: UserId, { except }: { except?: Request } = {}): Promise<number> {
    const owner = ownerOf(userId)
    const kept = except && this.#keyOf(except, owner)
    const keys = (await this.#keeper.roster.members(owner)).filter((key) => key !== kept)
    const ended = await Promise.all(keys.map((key) => this.#keeper.end(key, owner, 'revoked')))
    return ended.filter(Boolean).length
  }

  #keyOf(request: Request, owner: Owner): SessionKey | undefined {
    const record = this.#recordOf(request)
    return record && sameOwner(record.owner, owner) ? record.key : undefined
  }
}

function ownerOf(userId: UserId): Owner {
  return JSON.stringify(checkUserId(userId))
}

function readDevice(text: string | undefined): { ip: string | undefined; userAgent: string | undefined } {
  const { ip, userAgent } = JSON.parse(text ?? '{}') as { ip?: string; userAgent?: string }
  return { ip, userAgent }
}
