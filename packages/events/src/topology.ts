import { isCluster, masters, type RedisClient } from '@larder/core'
import calculateSlot from 'cluster-key-slot'
import type { Redis } from 'ioredis'

/** The slot of a key; without a Cluster all keys are together. */
export function slotOf(client: RedisClient, key: string): number {
  return isCluster(client) ? calculateSlot(key) : 0
}

/** The connection to whoever has a slot now; `undefined` while that is not known. */
export function nodeOf(client: RedisClient, slot: number): Redis | undefined {
  if (!isCluster(client)) return client
  const [address] = client.slots[slot] ?? []
  return masters(client).find(({ options }) => `${options.host}:${options.port}` === address)
}

/** Asks a Cluster anew who has which slots, after it said that one has moved. */
export function refreshSlots(client: RedisClient): void {
  if (isCluster(client) && client.status === 'ready') client.refreshSlotsCache(() => {})
}

/** Ends what a connection to this node waits for. */
export function unblock(node: Redis | undefined, connection: number | undefined): void {
  if (node?.status === 'ready' && connection !== undefined) node.call('CLIENT', 'UNBLOCK', connection).catch(() => {})
}

/** Whether a node says that it has not, or no longer, what it was asked for. */
export function isMoved(error: unknown): boolean {
  return error instanceof Error && /^(MOVED|ASK|CLUSTERDOWN|READONLY)\b/.test(error.message)
}
