import { signal } from '@preact/signals'

/** How the reads of one cache were answered, since the shop started. */
export type CacheCounts = {
  hit: number
  stale: number
  miss: number
  coalesced: number
  bypass: number
  error: number
  loads: number
  loadMilliseconds: number
}
export type Figures = {
  caches: Record<string, CacheCounts>
  tags: { invalidations: number }
  locks: { acquired: number; queued: number; failed: number; lost: number; held: number }
  sessions: { loaded: number; created: number; ended: number }
  limits: { allowed: number; limited: number }
  boards: { calls: number }
  events: { sent: number; gaps: number }
  redis: { outages: number }
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
