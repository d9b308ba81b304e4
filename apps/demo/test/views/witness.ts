import { pollUntil, type RedisServer } from '@larder/test-redis'

/** What Redis was told. */
export type Witness = {
  /** Views by product. */
  totals(): Promise<Map<number, number>>
  stop(): void
}

/**
 * What Redis was told, told by Redis itself: the highest total of each process and product of each generation. Nobody else can say
 * whether an increment was made whose process died before it had the answer.
 */
export async function watchRedis(redis: RedisServer): Promise<Witness> {
  const client = redis.client()
  const monitor = await client.monitor()
  const highest = new Map<string, number>()
  const taken = new Set<string>()
  let marker = ''
  monitor.on('monitor', (_time: string, [command = '', key = '', ...args]: string[]) => {
    const name = command.toLowerCase()
    if (name === 'echo') marker = key
    if (!key.includes(':live:') || taken.has(key)) return
    // With its batch taken, a generation refuses what comes too late.
    if (name === 'del') taken.add(key)
    if (name !== 'zadd') return
    for (let i = 1; i < args.length; i += 2) {
      const member = `${key} ${args[i + 1]}`
      highest.set(member, Math.max(highest.get(member) ?? 0, Number(args[i])))
    }
  })
  return {
    stop: () => monitor.disconnect(),
    totals: async () => {
      await redis.cli('ECHO', 'all')
      await pollUntil('the monitor', () => marker === 'all')
      const totals = new Map<number, number>()
      for (const [member, total] of highest) {
        const product = Number(/\+(\d+)$/.exec(member)?.[1])
        if (!Number.isNaN(product)) totals.set(product, (totals.get(product) ?? 0) + total)
      }
      return new Map([...totals].sort(([a], [b]) => a - b))
    },
  }
}
