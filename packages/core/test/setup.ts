import { type Log, Namespace, type NamespaceOptions, type RedisClient } from '@larder/core'
import { type ClientOptions, type RedisEndpoint, uniqueNamespace } from '@larder/test-redis'
import type { Redis } from 'ioredis'
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
