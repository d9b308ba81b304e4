import type { ReleaseAnswer } from './channel.js'
import type { Resource } from './resource.js'

/** How many may hold beside each other: `m` a mutex, `x` alone, `s<n>` at most n of mode `s`. */
export type Mode = 'm' | 'x' | `s${number}`

/** A lease, as it is or is asked for. */
export interface Claim {
  readonly resource: Resource
  /** Who holds or waits: `<mode>:<wait>:<process>:<number>`, see queue.lua. */
  readonly member: string
  /** Length of the lease in milliseconds. */
  readonly ttl: number
  /** For the store: where it records the release, so that a retry finds it. */
  latch: string | undefined
}

/** The arrival of who comes now. */
export const LAST = '0'

/** What a store is asked. */
export interface Ask extends Claim {
  /** Where to wait: {@link LAST}, or the arrival that an earlier answer told; `undefined` to be refused instead. */
  arrival: string | undefined
  /** Whether others are known to hold it or wait for it, so that trying without them is vain. */
  behind: boolean
}

/** Milliseconds that a waiter who was called holds its place before it must have prolonged it; as in queue.lua. */
export const CLAIM = 1_000

/** A lease that a store granted. Times on the store's clock. */
export interface Grant {
  readonly state: 'granted'
  readonly claim: Claim
  /** The fencing token, in digits. */
  readonly token: string
  /** When it began, or before. */
  readonly since: number
  /** When it ends for sure, unless it is prolonged: after the `ttl`, or after {@link CLAIM} for a waiter who was called. */
  readonly until: number
  /** Whether it is a mutex for which nobody waited. */
  readonly thin: boolean
  /** How it was had: at once; when it asked again; when it was called, so that it must be prolonged at once. */
  readonly had: 'free' | 'asked' | 'called'
  /** Whether it had a place in the queue that was lost. */
  readonly lost: boolean
}

/** A place in the queue. */
export interface Queued {
  readonly state: 'queued'
  /** Milliseconds after which to ask again, if nobody called before. */
  readonly after: number
  /** When it came, in microseconds of the server's time. */
  readonly arrival: string
  /** When the question was asked, on the store's clock. */
  readonly asked: number
  /** Whether it had a place before that was lost. */
  readonly lost: boolean
}

/** What a store answers. */
export type Answer = Grant | Queued | Refused

/** Held by others. */
export interface Refused {
  readonly state: 'refused'
}

/** The one refusal. */
export const REFUSED: Refused = Object.freeze({ state: 'refused' })

/** What a renewal found: `ours`, with the time when it was asked for; or how the lease ended. */
export type RenewAnswer = 'extended' | Exclude<ReleaseAnswer, 'released'>

/** Who hears from a store. */
export interface StoreListener {
  /** A waiter of this process is called: it has the lock for {@link CLAIM}. `at`: microseconds of the server's time. */
  called(member: string, token: string, at: number): void
  /** Calls may have been missed: all waiters must ask again. */
  missed(): void
  /** Redis went away, or came back. */
  changed(up: boolean): void
}

/** Where leases are kept: Redis, or the memory of this process. */
export interface LockStore {
  /** Milliseconds that a question may take. */
  readonly deadline: number
  /** Whether calls of waiters are heard. Else they must ask by themselves. */
  readonly listening: boolean
  /** Milliseconds since an arbitrary start, also of a sleeping machine. */
  now(): number
  /** A name for who asks. */
  member(mode: Mode, wait: number): string
  /** What stands for a name. */
  resource(family: 'lock' | 'semaphore' | 'read-write', name: string): Resource
  /** Makes calls heard; resolves when they are, or after the deadline. */
  listen(): Promise<void>
  /** Makes sure that calls are still heard. */
  check(): void
  acquire(ask: Ask): Promise<Answer>
  release(claim: Claim, thin: boolean): Promise<ReleaseAnswer>
  /** Ends what an {@link acquire} may have left behind. */
  leave(claim: Claim): Promise<void>
  /** Prolongs leases, each by its `ttl`; tells of each once, or never: `since` as in {@link Grant}. */
  renew(claims: readonly Claim[], tell: (index: number, answer: RenewAnswer | Error, since: number) => void): void
  /** How many replicas have the lease, at most after the deadline; `since` as in {@link Grant}. */
  replicate(claim: Claim, replicas: number): Promise<{ confirmed: number; since: number }>
  /** Who hears; one at a time. */
  attach(listener: StoreListener): void
  close(): void
}
