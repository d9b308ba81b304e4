import type { Channel } from 'node:diagnostics_channel'
import { larderChannel } from '@larder/core'

/** What kind of lock an event is about. */
export type LockKind = 'mutex' | 'semaphore' | 'read' | 'write'

/** Why a lease is over although nobody released it. */
export type LossReason = 'deadline' | 'expired' | 'stolen' | 'closed'

/** What a release found: it ended the lease; the lease had ended before; it had ended and others have the lock. */
export type ReleaseAnswer = 'released' | 'expired' | 'stolen'

/** What is published on the diagnostics channel `larder:locks`. `app`: the application (its `fastify.server`); `locks`: the registration; `lock`: what was locked. Times in ms. */
export type LockEvent = { app: object; locks: string; kind: LockKind; lock: string } & (
  | { type: 'acquired'; waited: number; queued: boolean }
  | { type: 'failed'; waited: number; reason: 'busy' | 'timeout' | 'aborted' | 'unavailable' | 'replicas' }
  | { type: 'released'; held: number; answer: ReleaseAnswer }
  | { type: 'lost'; held: number; reason: LossReason }
)

/** With no subscriber, publishing costs one property check. */
export const locksChannel: Channel = larderChannel('locks')
