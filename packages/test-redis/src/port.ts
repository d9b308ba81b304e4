import { createServer } from 'node:net'

/**
 * Where ports are looked for: below what systems hand out for outgoing connections, so that a server that is
 * down for a while finds its port free again, and that a client that retries a dead port can't connect to itself.
 * A cluster node's bus port is its port plus 10000.
 */
const RANGES = { server: [25_000, 31_999], node: [10_000, 14_999] } as const
const BUS_OFFSET = 10_000
const ATTEMPTS = 200

/** What a port is for: a plain server, or a cluster node, whose bus port must be free as well. */
export type PortUse = keyof typeof RANGES

/**
 * Finds a port of 127.0.0.1 that is free now. Another process may take it before its user does: try again then.
 *
 * @throws Error when no port is free
 */
export async function freePort(use: PortUse = 'server'): Promise<number> {
  const [low, high] = RANGES[use]
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = low + Math.floor(Math.random() * (high - low + 1))
    if ((await isFree(port)) && (use === 'server' || (await isFree(port + BUS_OFFSET)))) return port
  }
  throw new Error(`No free port between ${low} and ${high}`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}
