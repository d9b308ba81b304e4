// Temporary: the faces of the packages as API.md gives them, until they land.
declare module '@larder/cache-aside' {
  import type { FastifyPluginAsync } from 'fastify'
  export type Key = string | readonly unknown[]
  export interface LoadContext {
    signal: AbortSignal
    setTtl(ttl: number | string): void
    addTags(...tags: string[]): void
    skip(): void
    stale?: unknown
  }
  export interface CacheOptions {
    ttl?: number | string
    staleWhileRevalidate?: number | string
    staleIfError?: number | string
    tags?: readonly string[]
  }
  export interface Entry<T> {
    value: T
    state: 'hit' | 'stale' | 'miss' | 'coalesced' | 'bypass'
    age: number
    ttl: number
    tags: readonly string[]
    createdAt: number
  }
  export interface Cache {
    getOrSet<T>(key: Key, load: (context: LoadContext) => Promise<T>, options?: CacheOptions): Promise<T>
    entry<T>(key: Key, load: (context: LoadContext) => Promise<T>, options?: CacheOptions): Promise<Entry<T>>
    writeThrough<T>(key: Key, write: () => Promise<T>, options?: CacheOptions): Promise<T>
    getMany<T, K extends Key>(
      keys: readonly K[],
      loadMany: (missing: readonly K[]) => Promise<T[]>,
      options?: CacheOptions,
    ): Promise<T[]>
    delete(...keys: Key[]): Promise<unknown>
    namespace(name: string, defaults?: CacheOptions): Cache
  }
  const cacheAside: FastifyPluginAsync<{
    redis?: unknown
    namespace?: string
    version?: string
    staleIfError?: string
    ttl?: string
  }>
  export default cacheAside
  global {}
}
declare module '@larder/tags' {
  import type { FastifyPluginAsync } from 'fastify'
  export interface Tags {
    invalidate(...tags: string[]): Promise<unknown>
  }
  const tags: FastifyPluginAsync<{ redis?: unknown; namespace?: string }>
  export default tags
}
