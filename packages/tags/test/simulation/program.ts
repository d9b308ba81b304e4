import type { Change } from './ledger.js'
import type { SimProcess } from './process.js'
import { KEYS, type Order, Simulation, type World } from './simulation.js'

/** What a process, a foreign program or the machine may do. */
export type What =
  | 'read'
  | 'readSlowly'
  | 'readComputed'
  | 'readFromRedis'
  | 'entry'
  | 'get'
  | 'getMany'
  | 'delete'
  | 'invalidate'
  | 'invalidateSoftly'
  | 'clear'
  | 'expire'
  | 'set'
  | 'writeThrough'
  | 'foreignDelete'
  | 'foreignSet'
  | 'foreignFlush'
  | 'evictEntry'
  | 'evictTag'
  | 'evictClock'
  | 'crash'
  | 'cutFeed'
  | 'cutCommands'
  | 'deafenFeed'
  | 'beyondHeartbeat'
  | 'rest'

/** One act: who, what, and with which key. */
export type Step = readonly [by: number, what: What, key?: number]

/** Who does what, in the order in which it begins. */
export interface Program {
  readonly processes: number
  readonly steps: readonly Step[]
}

const TAG = 'tag'
/** How many turns a slow load gives others. */
const SLOW = 12

/** Who writes which key. A `set` that overlaps another change of its key may win although it is older: it promises no more. */
class Writers {
  readonly #counts = new Map<string, number>()

  sets(key: string): boolean {
    return (this.#counts.get(`set ${key}`) ?? 0) > 0
  }

  changes(key: string): boolean {
    return (this.#counts.get(`change ${key}`) ?? 0) > 0
  }

  set<T>(key: string, promise: Promise<T>): Promise<T> {
    return this.#during(`set ${key}`, promise)
  }

  change<T>(key: string, promise: Promise<T>): Promise<T> {
    return this.#during(`change ${key}`, promise)
  }

  #during<T>(name: string, promise: Promise<T>): Promise<T> {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
    return promise.finally(() => this.#counts.set(name, (this.#counts.get(name) ?? 1) - 1))
  }
}

/** Runs a program in the order that `order` decides; resolves with what was wrong, and what happened. */
export async function play(world: World, { processes, steps }: Program, order: Order): Promise<Simulation> {
  const sim = new Simulation(world, processes, order)
  try {
    await sim.boot()
    const writers = new Writers()
    for (const [who, what, key = 0] of steps) {
      const by = sim.processes[who % processes] as SimProcess
      if (what === 'rest') {
        await sim.run()
        continue
      }
      let begun = false
      void sim.later(`${by.name} ${what} ${KEYS[key % KEYS.length]} begins`).then(() => {
        begun = true
      })
      while (!begun) {
        await sim.once()
      }
      if (!by.crashed) await start(sim, by, what, KEYS[key % KEYS.length] as string, writers)
    }
    await sim.finish()
    for (const one of sim.processes) {
      if (one.crashed) continue
      for (const key of KEYS) await start(sim, one, 'read', key, writers)
    }
    await sim.finish()
    for (const label of sim.waiting) sim.violations.push(`${label} was never answered`)
    return sim
  } finally {
    await sim.close()
  }
}

async function start(
  sim: Simulation,
  by: SimProcess,
  what: Exclude<What, 'rest'>,
  key: string,
  writers: Writers,
): Promise<void> {
  const { ledger, namespace } = sim
  const label = `${by.name} ${what} ${key}`
  const { cache, tags } = by
  const load = async (name = key, turns = 1): Promise<number> => {
    await sim.later(`${by.name} looks at ${name}`, by)
    const seen = ledger.rows.get(name) as number
    for (let left = turns; left > 0; left--) await sim.later(`${by.name} loads ${name} = ${seen}, ${left}`, by)
    return seen
  }
  const read = (promise: Promise<unknown>, name: string, fromRedis = false): void => {
    const least = ledger.least('hard', by, name, fromRedis)
    sim.call(by, label, promise, (value) => {
      sim.trace.push(`${label} = ${value}`)
      if (typeof value === 'number' && value < least)
        sim.violations.push(`${label} was answered with ${value}, but ${least} counted when it began`)
    })
  }
  const change = (promise: Promise<unknown>, done: Change): void =>
    sim.call(by, label, promise, () => {
      sim.trace.push(`${label} is done: ${[...done.versions.values()].join()}`)
      ledger.done(by, done)
    })
  switch (what) {
    case 'read':
      return read(
        cache.getOrSet(key, () => load(), { tags: [TAG] }),
        key,
      )
    case 'readSlowly':
      return read(
        cache.getOrSet(key, () => load(key, SLOW), { tags: [TAG] }),
        key,
      )
    case 'readComputed':
      return read(
        cache.getOrSet(key, () => load(), { tags: () => [TAG] }),
        key,
      )
    case 'readFromRedis':
      return read(
        cache.getOrSet(key, () => load(), { tags: [TAG], memory: false }),
        key,
        true,
      )
    case 'get':
      return read(cache.get(key), key)
    case 'getMany': {
      const least = KEYS.map((name) => ledger.least('hard', by, name, false))
      const loadMany = (names: unknown[]) => Promise.all(names.map((name) => load(name as string)))
      return sim.call(by, label, cache.getMany(KEYS, loadMany, { tags: [TAG] }), (values) => {
        values.forEach((value, i) => {
          if (value < (least[i] as number))
            sim.violations.push(`${label} was answered with ${value}, but ${least[i]} counted when it began`)
        })
      })
    }
    case 'entry': {
      const [hard, soft] = [ledger.least('hard', by, key, false), ledger.least('soft', by, key, false)]
      return sim.call(
        by,
        label,
        cache.entry(key, () => load(), { tags: [TAG] }),
        ({ value, state }) => {
          sim.trace.push(`${label} = ${value}, ${state}`)
          if (value < hard)
            sim.violations.push(`${label} was answered with ${value}, but ${hard} counted when it began`)
          if (value < soft && state !== 'stale')
            sim.violations.push(`${label} was answered with ${value} as fresh, but ${soft} counted when it began`)
        },
      )
    }
    case 'delete': {
      if (writers.sets(key)) return
      const versions = ledger.write(key)
      return change(writers.change(key, cache.delete(key)), { kind: 'hard', of: 'key', versions })
    }
    case 'expire': {
      if (writers.sets(key)) return
      const versions = ledger.write(key)
      return change(writers.change(key, cache.expire(key)), { kind: 'soft', of: 'key', versions })
    }
    case 'invalidate':
    case 'invalidateSoftly':
    case 'clear': {
      if (KEYS.some((name) => writers.sets(name))) return
      const versions = ledger.write(...KEYS)
      const soft = what === 'invalidateSoftly'
      const promise = what === 'clear' ? cache.clear() : tags.invalidate(TAG, { soft })
      for (const name of KEYS) void writers.change(name, promise)
      return change(promise, { kind: soft ? 'soft' : 'hard', of: 'tag', versions })
    }
    case 'set': {
      if (writers.sets(key) || writers.changes(key)) return
      const versions = ledger.write(key)
      const setting = writers.set(key, cache.set(key, versions.get(key), { tags: [TAG] }))
      return change(setting, { kind: 'hard', of: 'key', versions })
    }
    case 'writeThrough': {
      if (writers.sets(key)) return
      let versions: ReadonlyMap<string, number> = new Map()
      const write = async (): Promise<number> => {
        await sim.later(`${by.name} writes ${key}`, by)
        versions = ledger.write(key)
        await sim.later(`${by.name} has written ${key} = ${versions.get(key)}`, by)
        return versions.get(key) as number
      }
      return sim.call(by, label, writers.change(key, cache.writeThrough(key, write, { tags: [TAG] })), () =>
        ledger.done(by, { kind: 'hard', of: 'key', versions }),
      )
    }
    case 'foreignDelete':
    case 'foreignSet': {
      if (writers.sets(key)) return
      const versions = ledger.write(key)
      const name = `${namespace}:v:{${key}}`
      return sim.act(what, (redis) => (what === 'foreignSet' ? redis.set(name, 'foreign') : redis.del(name)), {
        kind: 'hard',
        of: 'key',
        versions,
      })
    }
    case 'foreignFlush': {
      if (KEYS.some((name) => writers.sets(name))) return
      const versions = ledger.write(...KEYS)
      return sim.act(what, (redis) => redis.flushdb(), { kind: 'hard', of: 'key', versions })
    }
    case 'evictEntry':
      return sim.act(what, (redis) => redis.del(`${namespace}:v:{${key}}`))
    case 'evictTag':
      return sim.act(what, (redis) => redis.del(`{${namespace}}:t:${TAG}`))
    case 'evictClock':
      return sim.act(what, (redis) => redis.del(`{${namespace}}:clock`))
    case 'crash':
      return by.crash()
    case 'cutFeed':
      return by.wire('feed')?.cut()
    case 'cutCommands':
      return by.wire('commands')?.cut()
    case 'deafenFeed':
      return by.wire('feed')?.deafen()
    case 'beyondHeartbeat':
      return sim.pass(2_500)
  }
}
