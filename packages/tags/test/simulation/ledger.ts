import { HEARTBEAT, type SimProcess } from './process.js'

/** What an act makes invalid, or stale. */
export interface Change {
  /** `hard`: what is older is never served again; `soft`: not as fresh. */
  readonly kind: 'hard' | 'soft'
  /** Whether Redis itself tells it to whoever asks for the key, or the process must know it of a tag. */
  readonly of: 'key' | 'tag'
  /** The least versions that count from now on. */
  readonly versions: ReadonlyMap<string, number>
}

/** Least versions by kind and key. */
class Floors {
  readonly #least = new Map<string, number>()

  raise({ kind, versions }: Change): void {
    for (const [key, version] of versions) {
      const name = `${kind} ${key}`
      this.#least.set(name, Math.max(version, this.#least.get(name) ?? 0))
    }
  }

  of(kind: Change['kind'], key: string): number {
    return this.#least.get(`${kind} ${key}`) ?? 0
  }
}

/**
 * The sequential specification: a database of one number a key, that grows with each write, and the least that a call that begins now
 * may be answered with (G1). What counts, counts at once for the process that did it and for whoever asks Redis for a key; for
 * another process as soon as its feed told it of all before, at once while it has no feed, and in any case after the heartbeat.
 */
export class Ledger {
  readonly rows = new Map<string, number>()
  readonly #inRedis = new Floors()
  readonly #known = new Map<SimProcess, Floors>()
  /** What processes may not have been told, and since when. */
  readonly #untold: { process: SimProcess; change: Change; since: number }[] = []
  /** What was done while Redis was away: it counts elsewhere when it got there. */
  #kept: { by: SimProcess; change: Change }[] = []
  readonly #processes: readonly SimProcess[]

  constructor(processes: readonly SimProcess[], keys: readonly string[]) {
    this.#processes = processes
    for (const process of processes) this.#known.set(process, new Floors())
    for (const key of keys) this.rows.set(key, 0)
  }

  /** Writes rows of the database. */
  write(...keys: string[]): ReadonlyMap<string, number> {
    return new Map(
      keys.map((key) => {
        const version = (this.rows.get(key) ?? 0) + 1
        this.rows.set(key, version)
        return [key, version]
      }),
    )
  }

  /** An act of a process resolved; or of a foreign client, which is no process. */
  done(by: SimProcess | undefined, change: Change): void {
    if (by) this.#known.get(by)?.raise(change)
    if (by?.keeps) this.#kept.push({ by, change })
    else this.#count(by, change)
  }

  /** Looks whether what was kept has got to Redis. */
  look(): void {
    const kept = this.#kept.filter(({ by }) => by.keeps)
    const arrived = this.#kept.filter((one) => !kept.includes(one))
    this.#kept = kept
    for (const { by, change } of arrived) if (!by.crashed) this.#count(by, change)
  }

  /** All living processes are connected again and quiet: whatever was done counts everywhere. */
  settle(): void {
    for (const { by, change } of this.#kept) {
      if (!by.crashed) for (const floors of this.#known.values()) floors.raise(change)
    }
    for (const { process, change } of this.#untold) this.#known.get(process)?.raise(change)
  }

  /** The least version that a call of this process which begins now may be answered with. */
  least(kind: Change['kind'], process: SimProcess, key: string, fromRedis: boolean): number {
    const known = this.#known.get(process) as Floors
    for (const one of this.#untold) {
      if (one.process === process && Date.now() - one.since > HEARTBEAT) known.raise(one.change)
    }
    return Math.max(known.of(kind, key), fromRedis ? this.#inRedis.of(kind, key) : 0)
  }

  #count(by: SimProcess | undefined, change: Change): void {
    if (change.of === 'key') this.#inRedis.raise(change)
    for (const process of this.#processes) {
      if (process === by) continue
      this.#untold.push({ process, change, since: Date.now() })
      process.follow(() => this.#known.get(process)?.raise(change))
    }
  }
}
