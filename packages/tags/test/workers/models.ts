import { type Gate, Namespace } from '@larder/core'
import { serveWorker } from '@larder/test-redis'
import { Redis } from 'ioredis'
import { edited } from '../models/edit.js'
import { type Checked, explore } from '../models/explore.js'
import { type LeaseSize, leaseModel } from '../models/lease-model.js'
import { LEASE_MUTANTS, type LeaseMutant } from '../models/lease-mutants.js'
import { memorySlots, redisSlots } from '../models/lease-sites.js'
import { type TagSize, tagModel } from '../models/tag-model.js'
import { taggedSlots } from '../models/tag-site.js'

const redis = process.env.REDIS_PORT ? new Redis(Number(process.env.REDIS_PORT), '127.0.0.1') : undefined
const namespace = Namespace.acquire(redis, {}, 'model', {
  log: { warn: () => {}, info: () => {} },
  deadline: 5_000,
  heartbeat: 60_000,
  replayFor: 0,
  outboxLimit: 1e6,
})

async function ready(): Promise<{ redis: Redis; gate: Gate }> {
  await namespace.settled(5_000)
  if (!redis || !namespace.gate) throw new Error('REDIS_PORT names no server')
  return { redis, gate: namespace.gate }
}

const methods = {
  leaseInMemory: (size: LeaseSize, limit: number): Promise<Checked> => explore(leaseModel(size), memorySlots(), limit),

  leaseOnRedis: async (size: LeaseSize, limit: number, mutant?: LeaseMutant): Promise<Checked> => {
    const { redis, gate } = await ready()
    const broken = mutant && Object.assign(Object.create(gate), edited(gate, LEASE_MUTANTS[mutant]))
    return explore(leaseModel(size), redisSlots(redis, namespace, (broken as Gate | undefined) ?? gate), limit)
  },

  tagsOnRedis: async (size: TagSize, limit: number): Promise<Checked> => {
    const { redis, gate } = await ready()
    return explore(tagModel(size), taggedSlots(redis, namespace, gate, size), limit)
  },
}

/** What the test calls. */
export type Methods = typeof methods

serveWorker(methods)
