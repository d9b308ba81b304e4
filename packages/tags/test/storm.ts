import { setTimeout as sleep } from 'node:timers/promises'
import type { Opened } from './setup.js'

/** How a storm went. */
export interface Weather {
  /** Reads whose answer was checked. */
  reads: number
  /** Answers older than what counted when their call began. */
  readonly stale: string[]
  /** Calls that rejected. */
  readonly errors: string[]
  /** How often the loader was called. */
  loads: number
  /** How often something was changed. */
  changes: number
}

/** What a {@link storm} is made of. */
export interface StormOptions {
  /** Processes, as far as the cache is concerned: each has its client, its feed and its copies. */
  readonly processes: readonly Opened[]
  /** How many reads are checked at least. */
  readonly reads: number
  /** Something bad, over and over, until the reads are done; the last one is waited for. */
  disturb(round: number): Promise<void>
}

const KEYS = 40
const TAGS = 5
/** Readers of each process that ask at the same time. */
const READERS = 4

/**
 * Reads and changes at once, while something bad happens. Each process changes entries of its own, by turns with a deletion, a tag, a
 * soft tag, a write-through and a clear, and knows the least version that counts from then on (G1, in the same process; in
 * another one it depends on when its feed told, which other tests look at). In the end all processes agree on the last versions.
 */
export async function storm({ processes, reads, disturb }: StormOptions): Promise<Weather> {
  const weather: Weather = { reads: 0, stale: [], errors: [], loads: 0, changes: 0 }
  const rows = new Map<string, number>()
  const least = new Map<string, number>()
  let over = false
  const row = (key: string): number => rows.get(key) ?? 0
  const tagsOf = (owner: number, i: number): string[] => [`all of ${owner}`, `tag ${i % TAGS} of ${owner}`]
  const keyOf = (owner: number, i: number): string => `${owner} ${i}`
  const failed = (error: unknown): void => void weather.errors.push(String(error))

  async function read(by: Opened, owner: number, i: number, checked: boolean): Promise<void> {
    const key = keyOf(owner, i)
    const due = least.get(key) ?? 0
    const load = (): number => {
      weather.loads++
      return row(key)
    }
    const value = await by.cache.getOrSet(key, load, { tags: tagsOf(owner, i) })
    if (!checked) return
    weather.reads++
    if (value < due) weather.stale.push(`${key} is ${value}, but ${due} counts`)
  }

  async function change(by: Opened, owner: number, what: number): Promise<void> {
    const i = what % KEYS
    const kind = what % 7
    const touched = kind === 5 ? [...Array(KEYS).keys()] : kind < 3 ? [i] : ofTag(i)
    const versions = touched.map((one) => [keyOf(owner, one), row(keyOf(owner, one)) + 1] as const)
    const write = (): void => versions.forEach(([key, version]) => void rows.set(key, version))
    weather.changes++
    if (kind === 0) {
      const writing = (): number => {
        write()
        return row(keyOf(owner, i))
      }
      await by.cache.writeThrough(keyOf(owner, i), writing, { tags: tagsOf(owner, i) })
    } else {
      write()
      if (kind < 3) await by.cache.delete(keyOf(owner, i))
      else if (kind === 5) await by.tags.invalidate(`all of ${owner}`)
      else await by.tags.invalidate(`tag ${i % TAGS} of ${owner}`, 'no entry bears this')
    }
    for (const [key, version] of versions) least.set(key, Math.max(version, least.get(key) ?? 0))
  }

  const reader = async (by: Opened, owner: number, start: number): Promise<void> => {
    for (let i = start; !over; i++) {
      await read(by, owner, i % KEYS, true).catch(failed)
      // Another process’s entries, so that all have copies of all.
      if (i % 5 === 0) await read(by, (owner + 1) % processes.length, i % KEYS, false).catch(failed)
      if (i % 20 === 0) await new Promise(setImmediate)
    }
  }
  const writer = async (by: Opened, owner: number): Promise<void> => {
    for (let what = 0; !over; what++) {
      await change(by, owner, what).catch(failed)
      await sleep(5)
    }
  }
  const weathering = processes.flatMap((by, owner) => [
    writer(by, owner),
    ...Array.from({ length: READERS }, (_, i) => reader(by, owner, i * 7)),
  ])
  for (let round = 0; weather.reads < reads || round === 0; round++) await disturb(round)
  over = true
  await Promise.all(weathering)
  await agree()
  return weather

  function ofTag(i: number): number[] {
    return [...Array(KEYS).keys()].filter((one) => one % TAGS === i % TAGS)
  }

  /** Sooner or later each process serves the last version of everything. */
  async function agree(): Promise<void> {
    const behind = async (): Promise<string[]> => {
      const found: string[] = []
      for (const [index, { cache }] of processes.entries()) {
        for (const [key, due] of least) {
          const owner = Number(key.split(' ')[0])
          const options = { tags: tagsOf(owner, Number(key.split(' ')[1])) }
          const value = await cache.getOrSet(key, () => row(key), options)
          if (value < due) found.push(`${key} is ${value} in process ${index} in the end, but ${due} counts`)
        }
      }
      return found
    }
    for (let attempt = 0; attempt < 300; attempt++) {
      if ((await behind()).length === 0) return
      await sleep(20)
    }
    weather.stale.push(...(await behind()))
  }
}
