import { type RedisEndpoint, type Site as SharedSite, sitesOf, type T, uniqueNamespace } from '@larder/test-redis'
import writeBehind, { type Batch, type WriteBehind, type WriteBehindOptions } from '@larder/write-behind'
import fastify, { type FastifyInstance } from 'fastify'

export { client, codeOf, type T } from '@larder/test-redis'

/** An application with write-behind, as one process has it: with a client of its own. */
export interface Opened {
  readonly app: FastifyInstance
  readonly writeBehind: WriteBehind
  /** First part of its keys. */
  readonly namespace: string
}

/** Where entries are kept. */
export interface Site extends SharedSite<WriteBehindOptions, Opened> {
  /** The keys of a namespace, without what tells late commands that they are late. */
  left(opened: Opened): Promise<string[]>
}

/** Nothing is flushed by itself within a test, and nothing waits long. */
const QUIET: WriteBehindOptions = { every: '1h', retryDelay: 5, closeTimeout: 0 }

/** An application whose write-behind has these options. */
export async function open(t: T, options: WriteBehindOptions): Promise<Opened> {
  const app = fastify()
  t.teardown(() => app.close())
  const namespace = options.namespace ?? uniqueNamespace()
  await app.register(writeBehind, { ...QUIET, ...options, namespace })
  return { app, writeBehind: app.writeBehind, namespace }
}

/** The keys of a namespace that hold entries or batches. */
export async function leftOn(nodes: readonly RedisEndpoint[], namespace: string): Promise<string[]> {
  const keys = await Promise.all(
    nodes.map(async (node) => {
      const found = await node.cli<string[]>('KEYS', `${namespace}:*`)
      const types = await Promise.all(found.map((key) => node.cli<string>('TYPE', key)))
      return found.filter((key, i) => !/:(state|latch:.*)$/.test(key) && !(/:live:/.test(key) && types[i] === 'hash'))
    }),
  )
  return keys.flat()
}

/** Memory, one Redis, and a Cluster of three. */
export async function allSites(): Promise<Site[]> {
  const sites = await sitesOf(open, async ({ app, namespace }, name, options) => {
    await app.register(writeBehind, { ...QUIET, ...options })
    return {
      app,
      writeBehind: (app.writeBehind as unknown as Record<string, WriteBehind>)[name] as WriteBehind,
      namespace,
    }
  })
  return sites.map((site) => ({ ...site, left: ({ namespace }) => leftOn(site.nodes, namespace) }))
}

/** A database that records each batch in the transaction that writes it, and can be made to fail. */
export class Ledger<V> {
  readonly batches: Batch<V>[] = []
  readonly rows = new Map<string, V[]>()
  readonly #applied = new Set<string>()
  /** Called before the commit. */
  before: (batch: Batch<V>) => unknown = () => {}
  /** Called after the commit, before the answer. */
  after: (batch: Batch<V>) => unknown = () => {}

  readonly flush = async (batch: Batch<V>): Promise<void> => {
    this.batches.push(batch)
    await this.before(batch)
    if (!this.#applied.has(batch.id)) {
      this.#applied.add(batch.id)
      for (const [key, value] of batch.entries) this.rows.set(key, [...(this.rows.get(key) ?? []), value])
    }
    await this.after(batch)
  }

  /** What was written for each key, one value a batch. */
  get written(): Record<string, V[]> {
    return Object.fromEntries(this.rows)
  }

  /** Of numbers. */
  sum(key: string): number {
    return (this.rows.get(key) ?? []).reduce((total, value) => total + Number(value), 0)
  }
}

/** How many entries of a process are not in the store yet. */
export function unsent({ states }: WriteBehind): number {
  return states.reduce((sum, { values }) => sum + (values.unsent ?? 0), 0)
}

/** A promise and its end. */
export function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}
