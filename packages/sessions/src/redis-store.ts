import { Clock, escapeKey, Gate, type Log, loadScript, logicalKey, type RedisClient, type Reply } from '@larder/core'
import {
  type Changes,
  type Draft,
  type Dropped,
  type Found,
  formatSuccessor,
  type Lifetimes,
  type Owner,
  parseMeta,
  parseSuccessor,
  type Saved,
  type SessionKey,
  type SessionStore,
  type Span,
  type StoredSession,
  type Successor,
} from './store.js'

const CREATE = loadScript(import.meta.url, './create.lua')
const SAVE = loadScript(import.meta.url, './save.lua')
const CLAIM = loadScript(import.meta.url, './claim.lua')
const DROP = loadScript(import.meta.url, './drop.lua')
const ENLIST = loadScript(import.meta.url, './enlist.lua')

/** Options of a {@link RedisStore}. */
export interface RedisStoreOptions {
  readonly namespace: string
  readonly lifetimes: Lifetimes
  /** Milliseconds that a command may take. */
  readonly deadline: number
  readonly log: Log
}

/** Sessions in Redis, one server, Sentinel or Cluster. A read is one HGETALL. */
export class RedisStore implements SessionStore {
  readonly #gate: Gate
  readonly #clock = new Clock()
  readonly #deadline: number
  readonly #lifetimes: Lifetimes
  readonly #sessions: string
  readonly #owners: string
  readonly #endChange: () => void
  /** What must be added to the clock for the server's time, once it told. */
  #offset: number | undefined

  constructor(client: RedisClient, { namespace, lifetimes, deadline, log }: RedisStoreOptions) {
    this.#gate = new Gate(client, { deadline, log, together: 'round' })
    this.#deadline = deadline
    this.#lifetimes = lifetimes
    this.#sessions = `${namespace}:session:`
    this.#owners = `${namespace}:sessions-of:{`
    this.#endChange = this.#gate.breaker.onChange((up) => {
      if (up) void this.#askTime()
    })
  }

  now(): number {
    return this.#offset === undefined ? Date.now() : this.#clock.now() + this.#offset
  }

  load(key: SessionKey): Promise<Found> {
    return this.#gate.call('hgetall', [this.#sessions + key]).then(this.#found)
  }

  readonly #found = (reply: Reply): Found => {
    const hash = readHash(reply)
    if (hash.meta !== '') {
      const session = asSession(hash)
      // Expiry ends sessions. This is for a key that lost its expiry: restored from a dump, or by PERSIST.
      const over =
        this.#offset !== undefined && Math.min(session.end, session.seen + this.#lifetimes.idle) <= this.now()
      return over ? ABSENT : { state: 'live', session }
    }
    return hash.successor === '' ? ABSENT : { state: 'moved', successor: parseSuccessor(hash.successor) }
  }

  async create(key: SessionKey, { owner, device, data, span }: Draft): Promise<Span | undefined> {
    const { idle, absolute } = this.#lifetimes
    const args = [idle, absolute, span?.created ?? '', span?.end ?? '', owner, device, ...pairs(data)]
    const reply = await this.#gate.run(CREATE, [this.#sessions + key], args)
    if (!Array.isArray(reply)) return undefined
    this.#heard(Number(reply[0]))
    return { created: Number(reply[1]), end: Number(reply[2]) }
  }

  async save(key: SessionKey, { set, remove }: Changes, device: string): Promise<Saved> {
    const { idle, touchEvery } = this.#lifetimes
    const args = [idle, touchEvery, device, set.size * 2, ...pairs(set), ...remove.map((name) => `.${name}`)]
    const reply = await this.#gate.run(SAVE, [this.#sessions + key], args)
    if (reply instanceof Buffer) return { state: 'moved', successor: parseSuccessor(reply.toString()) }
    if (!Array.isArray(reply)) return { state: 'gone' }
    this.#heard(Number(reply[0]))
    return { state: 'saved', touched: reply[1] === 1 }
  }

  async claim(key: SessionKey, successor: Successor, grace: number): Promise<StoredSession | undefined> {
    const reply = await this.#gate.run(CLAIM, [this.#sessions + key], [formatSuccessor(successor), grace])
    return Array.isArray(reply) ? asSession(readHash(reply)) : undefined
  }

  async drop(key: SessionKey): Promise<Dropped> {
    const reply = (await this.#gate.run(DROP, [this.#sessions + key], [])) as Buffer[]
    const [meta, successor] = [String(reply[0]), String(reply[1])]
    const old = meta === '' ? successor.slice(successor.indexOf(' ', 2) + 1) : meta
    const { owner } = old === '' ? { owner: '' } : parseMeta(old)
    return {
      alive: meta !== '',
      owner,
      successor: successor === '' ? undefined : parseSuccessor(successor),
    }
  }

  async enlist(owner: Owner, key: SessionKey, end: number, replaced = ''): Promise<SessionKey[] | undefined> {
    const reply = await this.#gate.run(ENLIST, [this.#indexOf(owner)], [key, end, replaced])
    return Array.isArray(reply) ? reply.map(String) : undefined
  }

  async strike(owner: Owner, keys: readonly SessionKey[]): Promise<void> {
    if (keys.length > 0) await this.#gate.call('zrem', [this.#indexOf(owner), ...keys])
  }

  async members(owner: Owner): Promise<SessionKey[]> {
    return ((await this.#gate.call('zrange', [this.#indexOf(owner), 0, -1])) as Reply[]).map(String)
  }

  async legacy(key: string): Promise<string | undefined> {
    return (await this.#gate.get(key))?.toString()
  }

  async dropLegacy(key: string): Promise<boolean> {
    return (await this.#gate.call('del', [key])) === 1
  }

  async settled(): Promise<void> {
    await this.#gate.breaker.settled(this.#deadline)
    if (this.#gate.up) await this.#askTime()
  }

  close(): void {
    this.#endChange()
    this.#gate.close()
  }

  /** Numbers and strings read alike, as in keys. */
  #indexOf(owner: Owner): string {
    return `${this.#owners}${escapeKey(logicalKey([JSON.parse(owner)]))}}`
  }

  #heard(time: number): void {
    this.#offset = time - this.#clock.now()
  }

  async #askTime(): Promise<void> {
    try {
      const [seconds, microseconds] = (await this.#gate.call('time', [])) as Reply[]
      this.#heard(Number(seconds) * 1_000 + Number(microseconds) / 1_000)
    } catch {
      // The next script tells the time as well.
    }
  }
}

const ABSENT: Found = { state: 'absent' }
const DOT = '.'.charCodeAt(0)

/** The fields of a HASH: see create.lua, claim.lua. */
interface Hash {
  meta: string
  seen: string
  device: string
  successor: string
  readonly data: Map<string, string>
}

function readHash(reply: Reply): Hash {
  const hash: Hash = { meta: '', seen: '', device: '', successor: '', data: new Map() }
  if (Array.isArray(reply)) {
    for (let i = 0; i < reply.length; i += 2) readField(hash, String(reply[i]), reply[i + 1] as Buffer)
  } else {
    // RESP3 has maps, which ioredis turns into objects.
    const map = reply as unknown as Record<string, Buffer>
    for (const name in map) readField(hash, name, map[name] as Buffer)
  }
  return hash
}

function readField(hash: Hash, name: string, value: Buffer): void {
  if (name.charCodeAt(0) === DOT) hash.data.set(name.slice(1), value.toString())
  else if (name === 'm') hash.meta = value.toString()
  else if (name === 's') hash.seen = value.toString('latin1')
  else if (name === 'd') hash.device = value.toString()
  else if (name === '>') hash.successor = value.toString()
}

function asSession({ meta, seen, device, data }: Hash): StoredSession {
  const { created, end, owner } = parseMeta(meta)
  return { created, end, owner, seen: Number(seen), device, data }
}

function pairs(fields: ReadonlyMap<string, string>): string[] {
  const list: string[] = []
  for (const [name, value] of fields) list.push(`.${name}`, value)
  return list
}
