import { Namespace } from '@larder/core'
import { startRedis } from '@larder/test-redis'
import type { Result, Suite } from './suite.js'

const WRITES = 4_000
const PROCESSES = [1, 10, 100]
const OPTIONS = {
  log: { warn: () => {}, info: () => {} },
  deadline: 5_000,
  heartbeat: 60_000,
  replayFor: 0,
  outboxLimit: 1_000,
}

/** What one key that changes costs: messages, the server's CPU, and the CPU of whoever hears it, for 1 to 100 processes. */
export const feed: Suite = {
  name: 'feed',
  run: async () => {
    const server = await startRedis()
    const writer = server.client()
    const results: Result[] = []
    const cpuHere = (): number => {
      const { user, system } = process.cpuUsage()
      return user + system
    }
    const cpuThere = async (): Promise<number> => {
      const info = await server.cli<string>('INFO', 'cpu')
      const part = (name: string): number => Number(new RegExp(`used_cpu_${name}:([\\d.]+)`).exec(info)?.[1])
      return (part('user') + part('sys')) * 1e6
    }
    /** Microseconds of CPU for each write, here and in the server; `together`: so many of one turn. */
    const write = async (together: number): Promise<{ here: number; there: number }> => {
      const [here, there] = [cpuHere(), await cpuThere()]
      for (let i = 0; i < WRITES; i += together)
        await Promise.all(Array.from({ length: together }, (_, j) => writer.set(`feed:v:{${(i + j) % 1_000}}`, 'x')))
      await writer.ping()
      return { here: (cpuHere() - here) / WRITES, there: ((await cpuThere()) - there) / WRITES }
    }
    for (const together of [1, 100]) {
      await write(together)
      const unheard = await write(together)
      for (const count of PROCESSES) {
        let heard = 0
        const clients = Array.from({ length: count }, () => server.client())
        // Each has a client, and so a feed, of its own, as a process has.
        const namespaces = clients.map((client) => Namespace.acquire(client, {}, 'feed', OPTIONS))
        await Promise.all(namespaces.map((one) => one.settled(5_000)))
        const ends = namespaces.map((one) =>
          one.listen({ changed: () => heard++, changedWhere: () => {}, distrusted: () => {}, allChanged: () => {} }),
        )
        const { here, there } = await write(together)
        for (let wait = 0; heard < WRITES * count && wait < 1_000; wait++)
          await new Promise((resolve) => setTimeout(resolve, 5))
        const hearing = (here - unheard.here) / count
        const telling = there - unheard.there
        results.push({
          name: `a key written, ${together} at a time, heard by ${count}`,
          value: `${(heard / WRITES).toFixed(0)} keys told, ${hearing.toFixed(1)} µs CPU for each that hears, ${telling.toFixed(1)} µs more in Redis`,
          goal: 'said, not set',
          reached: heard === WRITES * count,
        })
        for (const end of ends) end()
        for (const one of namespaces) one.release()
        for (const client of clients) client.disconnect()
      }
    }
    await server.stop()
    return results
  },
}
