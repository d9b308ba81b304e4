import {
  type Caller,
  escapePattern,
  type Gate,
  isCluster,
  keyPrefixOf,
  loadScript,
  masters,
  type Namespace,
  READ_AT_ONCE,
  type Reply,
  type Script,
} from '@larder/core'
import type { Grant, Store } from './store.js'

const LEASE = loadScript(import.meta.url, './lease.lua')
const FILL = loadScript(import.meta.url, './fill.lua')
const RELEASE = loadScript(import.meta.url, './release.lua')
const RENEW = loadScript(import.meta.url, './renew.lua')
const PUT = loadScript(import.meta.url, './put.lua')
const COMMIT = loadScript(import.meta.url, './commit.lua')
const EXPIRE = loadScript(import.meta.url, './expire.lua')

const SCAN_COUNT = 500

/** The slots of a cache in Redis: two keys of one slot for each, so every script runs on Cluster. */
export class RedisStore implements Store {
  readonly #namespace: Namespace
  readonly #gate: Gate
  readonly #cluster: boolean

  constructor(namespace: Namespace, gate: Gate) {
    this.#namespace = namespace
    this.#gate = gate
    this.#cluster = isCluster(gate.client)
  }

  get up(): boolean {
    return this.#gate.up
  }

  alive(): Promise<unknown> {
    return this.#gate.call('ping', [])
  }

  read(key: string): Promise<Buffer | null> {
    return this.#gate.get(this.#namespace.entryKey(key))
  }

  async readMany(keys: readonly string[]): Promise<(Buffer | null)[]> {
    // The keys of a Cluster lie in different slots, where MGET is refused.
    if (this.#cluster) return Promise.all(keys.map((key) => this.read(key)))
    const names = keys.map((key) => this.#namespace.entryKey(key))
    const reply = keys.length < READ_AT_ONCE ? this.#gate.call('mget', names) : this.#gate.apart('mget', names)
    return (await reply) as (Buffer | null)[]
  }

  async lease(key: string, placeholder: Buffer, limit: number, refuse: Buffer | undefined): Promise<Grant> {
    const args = [placeholder, Math.ceil(limit), refuse ?? '', this.#namespace.feed.channel]
    // Granted after the deadline, when nobody waits for it any more: it would block the key for a lease.
    const late = (reply: Reply): void => {
      if (Array.isArray(reply) && isOne(reply[0])) this.release(key, placeholder).catch(() => {})
    }
    const reply = (await this.#gate.run(LEASE, [this.#namespace.entryKey(key)], args, late)) as Reply[]
    if (isOne(reply[0])) return { state: 'granted' }
    if (Buffer.isBuffer(reply[1])) return { state: 'stored', bytes: reply[1] }
    return { state: 'refused', wait: Number(reply[2]) }
  }

  async leaseRefresh(key: string, token: Buffer, limit: number, steal: boolean): Promise<boolean> {
    const args = [this.#namespace.leaseKey(key), token, 'PX', Math.ceil(limit)]
    return (await this.#gate.call('set', steal ? args : [...args, 'NX'])) !== null
  }

  fill(key: string, token: Buffer, refreshed: Buffer | undefined, bytes: Buffer, life: number): Promise<boolean> {
    return this.#told(FILL, key, [token, refreshed ?? '', bytes, Math.ceil(life)])
  }

  async release(key: string, token: Buffer): Promise<void> {
    await this.#told(RELEASE, key, [token])
  }

  async renew(key: string, token: Buffer, limit: number, refresh: boolean): Promise<boolean> {
    const name = refresh ? this.#namespace.leaseKey(key) : this.#namespace.entryKey(key)
    return isOne(await this.#gate.run(RENEW, [name], [token, Math.ceil(limit)]))
  }

  async put(key: string, bytes: Buffer, life: number): Promise<void> {
    await this.#told(PUT, key, [bytes, Math.ceil(life)])
  }

  commit(key: string, ticket: Buffer, bytes: Buffer, life: number): Promise<boolean> {
    return this.#told(COMMIT, key, [ticket, bytes, Math.ceil(life)])
  }

  remove(key: string): Promise<void> {
    return this.#namespace.remove(key)
  }

  async expire(key: string): Promise<void> {
    await this.#namespace.outbox?.run({
      id: `expire ${key}`,
      apply: (redis) => this.#told(EXPIRE, key, [], redis),
    })
  }

  async removeMatching(pattern: string, matches: (key: string) => boolean): Promise<number> {
    let removed = 0
    await this.#namespace.outbox?.run({
      id: `pattern ${pattern}`,
      apply: async () => {
        // To Redis `?` is one byte: it finds too much, of which `matches` keeps what is right.
        const prefix = keyPrefixOf(this.#gate.client)
        const start = `${prefix}${this.#namespace.name}:v:{`.replace(/[[\]\\^*?]/g, '\\$&')
        const match = `${start}${escapePattern(pattern.replaceAll('?', '*'))}}`
        for (const node of masters(this.#gate.client)) {
          let cursor = '0'
          do {
            const [next, found] = await this.#inTime(node.scan(cursor, 'MATCH', match, 'COUNT', SCAN_COUNT))
            cursor = next
            const keys = found.map((name) => this.#namespace.logicalKey(name.slice(prefix.length))).filter(matches)
            await Promise.all(keys.map((key) => this.#unlink(key)))
            removed += keys.length
          } while (cursor !== '0')
        }
      },
    })
    return removed
  }

  /** What goes to one node goes past the gate, whose deadline holds all the same: a Redis that hangs is one that is away (G7). */
  async #inTime<T>(reply: Promise<T>): Promise<T> {
    const { deadline } = this.#gate
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${deadline} ms`)), deadline)
    })
    return Promise.race([reply, late]).finally(() => clearTimeout(timer))
  }

  async #unlink(key: string): Promise<void> {
    const { channel } = this.#namespace.feed
    const name = this.#namespace.entryKey(key)
    await this.#gate.unguarded.call('unlink', [name, this.#namespace.leaseKey(key)])
    if (channel) await this.#gate.unguarded.call('publish', [channel, keyPrefixOf(this.#gate.client) + name])
  }

  async #told(
    script: Script,
    key: string,
    args: (string | number | Buffer)[],
    redis: Caller = this.#gate,
  ): Promise<boolean> {
    const keys = [this.#namespace.entryKey(key), this.#namespace.leaseKey(key)]
    return isOne(await redis.run(script, keys, [...args, this.#namespace.feed.channel]))
  }
}

/** Clients may be set to give numbers as strings. */
function isOne(reply: Reply): boolean {
  return Number(reply) === 1
}
