import { signal } from '@preact/signals'

/** How the calls of one cache were answered, since the shop started. */
export type CacheCounts = {
  hits: number
  stale: number
  misses: number
  coalesced: number
  bypass: number
  errors: number
  requests: number
}
type ByName<T> = Record<string, T>

/** What `fastify.metrics.snapshot()` says, as far as it is drawn here. */
export type Figures = {
  caches: ByName<CacheCounts>
  tags: { hard: number; soft: number }
  redis: { up?: boolean; commands: number; failed: number }
  locks: ByName<{ acquired: number; held: number; waiting: number }>
  sessions: ByName<{ live: number; created: number; ended: number }>
  limits: ByName<{ allowed: number; limited: number; banned: number }>
  events: ByName<{ sent: number; gaps: number }>
  writeBehind: ByName<ByName<{ flushed: number; waiting?: number; unsent?: number }>>
}
export type Spread = { count: number; p50?: number; p95?: number }
export type Experiments = {
  visitors: number
  cacheOff: boolean
  lock: { holder?: { since: number; token: string }; waiters: { since: number }[] }
  redis: 'memory' | 'supplied' | 'running' | 'stopped'
}
/** What the shop tells each second. */
export type Sample = {
  at: number
  figures: Figures
  latency: { cached: Spread; loaded: Spread }
  experiments: Experiments
}

/** The last three minutes, oldest first. */
export const samples = signal<readonly Sample[]>([])
/** Whether the shop is telling. */
export const connected = signal(false)
const KEPT = 180

/** Listens to the shop; the browser connects again by itself, and is told what it missed. */
export function listen(): void {
  const source = new EventSource('/dashboard/figures')
  source.addEventListener('history', ({ data }) => {
    connected.value = true
    samples.value = JSON.parse(data)
  })
  source.addEventListener('sample', ({ data }) => {
    samples.value = [...samples.value, JSON.parse(data)].slice(-KEPT)
  })
  source.addEventListener('error', () => {
    connected.value = false
  })
}

/** What was told last. */
export function latest(): Sample | undefined {
  return samples.value.at(-1)
}
