import { type EpochStore, Epochs, type Gate, type Namespace, RedisEpochStore, type Reply, type Tag } from '@larder/core'
import type { Redis } from 'ioredis'
import { RedisStore } from '../../../cache-aside/dist/redis-store.js'
import { type Edit, edited } from './edit.js'
import type { Site } from './explore.js'
import { fromBytes, LONG, toBytes } from './slot.js'
import type { TagSize, TagSlot, TagState } from './tag-model.js'

const CLOCK_WITHOUT_TIME: readonly Edit[] = [
  ['ensure', 'time[1] * 1000000 + time[2]', '0'],
  ['raise', 'time[1] * 1000000 + time[2]', '0'],
]
const AT_THE_ENTRYS_EPOCH: readonly Edit[] = [
  ['ensure', "hard = string.format('%.0f', clock)", "hard = ARGV[4] ~= '' and ARGV[4] or string.format('%.0f', clock)"],
]

/** Slots with their tag and their clock on Redis. */
export function taggedSlots(
  redis: Redis,
  namespace: Namespace,
  gate: Gate,
  { mutant }: TagSize,
): Site<TagState, TagSlot> {
  const store = new RedisStore(namespace, gate)
  const names = (i: number) => ({
    v: namespace.entryKey(`slot ${i}`),
    t: `{${namespace.name} ${i}}:t:tag`,
    c: `{${namespace.name} ${i}}:clock`,
  })
  let entryEpoch = ''
  const edits =
    mutant === 'clock without time'
      ? CLOCK_WITHOUT_TIME
      : mutant === 'made at the entry’s epoch'
        ? AT_THE_ENTRYS_EPOCH
        : []
  const caller = edits.length > 0 ? edited(gate, edits, () => [entryEpoch]) : gate
  const open = (i: number): EpochStore => {
    const { t, c } = names(i)
    const real = new RedisEpochStore(caller, { clock: c, tag: () => t, channel: () => '', time: () => {} })
    if (mutant !== 'missing is valid') return real
    const read = async (tags: readonly Tag[]) =>
      (await real.read(tags)).map((one) => one ?? { hard: 0, soft: 0, raised: 0 })
    return { read, ensure: real.ensure.bind(real), raise: real.raise.bind(real) }
  }
  return {
    run: async (jobs) => {
      const fill = redis.pipeline()
      jobs.forEach(({ state }, i) => {
        const { v, t, c } = names(i)
        fill.del(v).del(t).del(c)
        const bytes = toBytes(state.v)
        if (bytes) fill.set(v, bytes, 'PX', LONG)
        if (state.t !== null) fill.set(t, `${state.t} ${state.t} 0`, 'PX', 48 * LONG)
        if (state.c !== null) fill.set(c, String(state.c))
      })
      await fill.exec()
      const results = await Promise.all(
        jobs.map(({ move }, i) => {
          const key = names(i)
          return move.run({
            store,
            key: `slot ${i}`,
            epochs: (epoch) => {
              entryEpoch = epoch === undefined ? '' : String(epoch)
              return new Epochs(open(i), { trusted: () => false, now: () => 0 })
            },
            del: (what) => redis.del(key[what]),
          })
        }),
      )
      const look = redis.pipeline()
      jobs.forEach((_, i) => {
        const { v, t, c } = names(i)
        look.getBuffer(v).get(t).get(c)
      })
      const held = ((await look.exec()) as [Error | null, unknown][]).map(([, reply]) => reply as Reply)
      return jobs.map(({ move }, i) => {
        const next = move.after(results[i])
        if (next === undefined) return undefined
        const [v, t, c] = held.slice(3 * i, 3 * i + 3)
        return {
          ...next,
          v: fromBytes((v ?? null) as Buffer | null),
          t: t ? Number(String(t).split(' ')[0]) : null,
          c: c ? Number(String(c)) : null,
        }
      })
    },
  }
}
