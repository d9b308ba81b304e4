import { type Log, Namespace, type NamespaceListener, type NamespaceOptions, type RedisClient } from '@larder/core'
import { type ClientOptions, pollUntil, type RedisEndpoint, uniqueNamespace } from '@larder/test-redis'
import { Redis } from 'ioredis'
import type { Test } from 'tap'

/** What a subtest of tap is given. */
export type T = Pick<Test, 'teardown'>

/** A log that keeps what it was told. */
export class Journal implements Log {
  readonly warnings: string[] = []
  readonly notes: string[] = []

  warn(_details: object, message: string): void {
    this.warnings.push(message)
  }

  info(_details: object, message: string): void {
    this.notes.push(message)
  }
}

/** The defaults of the plugins. */
export function options(overrides: Partial<NamespaceOptions> = {}): NamespaceOptions {
  return {
    log: new Journal(),
    deadline: 250,
    heartbeat: 2_000,
    replayFor: 30_000,
    outboxLimit: 10_000,
    ...overrides,
  }
}

/** A namespace that ends with the test; without a client in memory. */
export function namespaceOf(
  t: T,
  client?: RedisClient,
  overrides?: Partial<NamespaceOptions>,
  name: string = uniqueNamespace(),
): Namespace {
  const namespace = Namespace.acquire(client, {}, name, options(overrides))
  t.teardown(() => namespace.release())
  return namespace
}

/** A client that ends with the test. */
export function client(t: T, server: RedisEndpoint, overrides?: ClientOptions): Redis {
  const redis = server.client(overrides)
  t.teardown(() => redis.disconnect())
  return redis
}

/** Keeps this process from doing anything else, as a long computation does. */
export function busy(milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

/** A client whose feed goes to another port than its commands: through a proxy, say. */
export function splitClient(t: T, server: RedisEndpoint, feedPort: number, overrides?: ClientOptions): Redis {
  const redis = client(t, server, overrides)
  redis.duplicate = (override) => Redis.prototype.duplicate.call(redis, { ...override, port: feedPort })
  return redis
}

/** What a namespace's listener was told. */
export class Ear implements NamespaceListener {
  readonly events: string[] = []
  #waiting: (() => void)[] = []

  /** Hears a namespace until the test ends. */
  static of(t: T, namespace: Namespace): Ear {
    const ear = new Ear()
    t.teardown(namespace.listen(ear))
    return ear
  }

  changed(key: string, local: boolean): void {
    this.#add(local ? `touched ${key}` : key)
  }

  changedWhere(): void {
    this.#add('changed where')
  }

  distrusted(): void {
    this.#add('distrusted')
  }

  allChanged(): void {
    this.#add('all')
  }

  /** Resolves when this was told, also before the call; forgets what came before it. */
  async until(event: string): Promise<void> {
    const end = performance.now() + 10_000
    while (!this.events.includes(event)) {
      if (performance.now() > end) throw new Error(`Never heard ${event}, but ${this.events.join()}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1_000)
        this.#waiting.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
    this.events.splice(0, this.events.indexOf(event) + 1)
  }

  #add(event: string): void {
    this.events.push(event)
    for (const wake of this.#waiting.splice(0)) wake()
  }
}

/** Resolves when the feed is trusted. */
export async function trusted(namespace: Namespace): Promise<void> {
  await pollUntil('the feed to be trusted', () => namespace.trusted())
}
