import { randomUUID } from 'node:crypto'
import type { Cache } from '@larder/cache-aside'
import type { Database } from '../database.js'
import { selectPage } from '../product-table.js'
import { spread } from './latency.js'

/** What became of a flood. */
export type FloodReport = {
  calls: number
  /** How often the database was asked. */
  loads: number
  /** How the calls were answered. */
  states: Record<string, number>
  milliseconds: number
  /** How long the calls took, at their middle and slow end. */
  p50: number
  p95: number
}

/**
 * Asks so many times at once for one thing that nobody has asked for before: a list of products that the database takes some time to
 * find. `cached: false` asks the database each time, for comparison.
 */
export async function flood(
  { database, cache }: { database: Database; cache: Cache },
  { calls, cached }: { calls: number; cached: boolean },
): Promise<FloodReport> {
  const key = ['experiment', 'flood', randomUUID()]
  let loads = 0
  const load = () => {
    loads++
    return selectPage(database, { q: 'wood', sort: '-price', page: 1, pageSize: 20 })
  }
  const ask = async () => {
    const started = performance.now()
    const state = cached ? (await cache.entry(key, load, { ttl: '1m' })).state : await load().then(() => 'load')
    return { state, milliseconds: performance.now() - started }
  }
  const started = performance.now()
  const answers = await Promise.all(Array.from({ length: calls }, ask))
  const milliseconds = performance.now() - started
  if (cached) await cache.delete(key)
  const states: Record<string, number> = {}
  for (const { state } of answers) states[state] = (states[state] ?? 0) + 1
  const { p50 = 0, p95 = 0 } = spread(answers.map((answer) => answer.milliseconds))
  return { calls, loads, states, milliseconds, p50, p95 }
}
