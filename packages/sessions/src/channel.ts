import type { Channel } from 'node:diagnostics_channel'
import { larderChannel } from '@larder/core'

/** Why a session is over before its time. `evicted`: its user has newer ones, more than `maxPerUser`. */
export type EndReason = 'logout' | 'revoked' | 'evicted' | 'replaced'

/** What is published on the diagnostics channel `larder:sessions`. `app`: the application (its `fastify.server`); `sessions`: the registration. */
export type SessionEvent = { app: object; sessions: string } & (
  | { type: 'loaded'; result: 'live' | 'absent' | 'moved' | 'damaged' | 'unavailable' }
  | { type: 'created'; bound: boolean }
  | { type: 'saved'; fields: number }
  | { type: 'touched' }
  | { type: 'rotated' }
  | { type: 'ended'; reason: EndReason }
  /** A late save of a session that was ended or rotated meanwhile was not written. */
  | { type: 'dropped'; fields: number }
)

/** What one registration tells: an event without its name. */
export type SessionFact = SessionEvent extends infer E
  ? E extends { sessions: string }
    ? Omit<E, 'app' | 'sessions'>
    : never
  : never

/** With no subscriber, publishing costs one property check. */
export const sessionsChannel: Channel = larderChannel('sessions')
