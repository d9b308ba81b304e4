import type { Redis } from 'ioredis'
import type { SlotRange } from './cluster-endpoint.js'
import { SILENT } from './endpoint.js'
import { pollUntil } from './poll.js'
import type { RedisServer } from './server.js'

const BATCH = 100
const MIGRATE_TIMEOUT = 5000

type Move = { nodes: readonly RedisServer[]; from: RedisServer; to: RedisServer; slots: number | number[] }

/**
 * Moves slots while clients go on, slot by slot, as redis-cli does
 * (https://redis.io/docs/latest/commands/cluster-setslot/): open the slot on both sides, move its keys, then tell
 * the new owner first, so that the slot is never without one.
 */
export async function moveSlots({ nodes, from, to, slots }: Move): Promise<number[]> {
  const connections = new Map(nodes.map((node) => [node, node.client({ ...SILENT, enableOfflineQueue: true })]))
  try {
    const [source, target] = [connectionTo(connections, from), connectionTo(connections, to)]
    const others = nodes.filter((node) => node !== from && node !== to).map((node) => connectionTo(connections, node))
    const ids = { from: String(await source.call('CLUSTER', 'MYID')), to: String(await target.call('CLUSTER', 'MYID')) }
    const chosen = typeof slots === 'number' ? (await slotsOf(source, ids.from)).slice(0, slots) : slots
    for (const slot of chosen) {
      await target.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', ids.from)
      await source.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', ids.to)
      await moveKeys(source, to, slot)
      await target.call('CLUSTER', 'SETSLOT', slot, 'NODE', ids.to)
      await source.call('CLUSTER', 'SETSLOT', slot, 'NODE', ids.to)
      await Promise.all(others.map((other) => tell(other, slot, ids.to)))
    }
    // Else the next owner may believe that its claim is the newest, and lose the slot to an older message.
    await pollUntil('all nodes to know of the move', async () => {
      const epochs = await Promise.all([...connections.values()].map(currentEpoch))
      return epochs.every((epoch) => epoch === epochs[0])
    })
    return chosen
  } finally {
    for (const connection of connections.values()) connection.disconnect()
  }
}

/** Clients may write to the slot until its last key has gone, so look again until there is none. */
async function moveKeys(source: Redis, to: RedisServer, slot: number): Promise<void> {
  for (;;) {
    const keys = (await source.callBuffer('CLUSTER', 'GETKEYSINSLOT', slot, BATCH)) as Buffer[]
    if (keys.length === 0) return
    await source.call('MIGRATE', to.host, to.port, '', 0, MIGRATE_TIMEOUT, 'KEYS', ...keys)
  }
}

/** A replica refuses to be told; it learns by gossip. */
async function tell(node: Redis, slot: number, owner: string): Promise<void> {
  try {
    await node.call('CLUSTER', 'SETSLOT', slot, 'NODE', owner)
  } catch (error) {
    if (!/replica|slave|master/i.test(String(error))) throw error
  }
}

/** The highest epoch of any configuration that a node has heard of. */
async function currentEpoch(node: Redis): Promise<string | undefined> {
  return /cluster_current_epoch:(\d+)/.exec(String(await node.call('CLUSTER', 'INFO')))?.[1]
}

async function slotsOf(node: Redis, id: string): Promise<number[]> {
  const ranges = (await node.call('CLUSTER', 'SLOTS')) as SlotRange[]
  return ranges
    .filter(([, , master]) => master[2] === id)
    .flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, offset) => first + offset))
}

function connectionTo(connections: Map<RedisServer, Redis>, node: RedisServer): Redis {
  const connection = connections.get(node)
  if (!connection) throw new Error(`${node.url} is no node of this cluster`)
  return connection
}
