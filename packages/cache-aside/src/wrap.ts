import { invalidOption, isSchema, type KeyPart, OptionReader, type StandardSchema } from '@larder/core'
import { type Call, type EntryOptions, isTags, readEntryOptions, TAGS_RULE, type Tags } from './call-options.js'
import type { Engine } from './engine.js'
import { getMany } from './many.js'
import { remove } from './write.js'

/** Options of `cache.wrap()`. */
export interface WrapOptions<Args extends unknown[], T> extends EntryOptions {
  /** The part, or parts, of the key that the arguments make. Default: the arguments themselves. */
  key?: (...args: Args) => KeyPart | readonly KeyPart[]
  /** Tags of the entries, or how to tell them from value and arguments. */
  tags?: readonly string[] | ((value: T, args: Args) => readonly string[])
  /** Loads many at once, for `.many()`: values in the order of the arguments. Default: one call each. */
  loadMany?: (args: Args[]) => T[] | Promise<T[]>
  /** What does not match is a miss. */
  schema?: StandardSchema<unknown, T>
  /** With another version none of the old entries is found. */
  version?: string
}

/** A function that is answered from the cache. */
export interface Wrapped<Args extends unknown[], T> {
  (...args: Args): Promise<T>
  /** Many at once, in their order. */
  many(args: Args[]): Promise<T[]>
  /** Empties the entry of these arguments. */
  invalidate(...args: Args): Promise<void>
  /** Calls the function although its answer is cached. */
  refresh(...args: Args): Promise<T>
  /** The copy in this process, at once. */
  peek(...args: Args): T | undefined
  /** The key of these arguments, for other calls of the cache. */
  key(...args: Args): readonly KeyPart[]
}

/** Makes `load` a cached function: see `cache.wrap()`. */
export function wrap<Args extends unknown[], T>(
  engine: Engine,
  defaults: Call,
  name: string,
  load: (...args: Args) => T | Promise<T>,
  options: WrapOptions<Args, T> = {},
): Wrapped<Args, T> {
  if (typeof name !== 'string' || name === '') throw invalidOption('name', 'a non-empty string', name)
  if (typeof load !== 'function') throw invalidOption('load', 'a function', load)
  const reader = new OptionReader(options)
  const memory = reader.boolean('memory', true) && defaults.memory
  const schema = reader.value('schema', 'a Standard Schema', isSchema, undefined)
  const entry: Call = { ...readEntryOptions(reader, defaults), memory, schema }
  const keyOf = reader.function<(...args: Args) => KeyPart | readonly KeyPart[], undefined>('key', undefined)
  const loadMany = reader.function<(args: Args[]) => T[] | Promise<T[]>, undefined>('loadMany', undefined)
  const version = reader.namespace('version', undefined)
  const tags = reader.value('tags', TAGS_RULE, isTags, undefined) as typeof options.tags
  reader.done()
  const base = version === undefined ? name : `${name}@${version}`
  const plain: Call = { ...entry, tags: typeof tags === 'function' ? undefined : (tags as Tags<never> | undefined) }

  const key = (...args: Args): readonly KeyPart[] => {
    const parts = keyOf ? keyOf(...args) : (args as readonly KeyPart[])
    return Array.isArray(parts) ? [base, ...parts] : [base, parts as KeyPart]
  }
  const callFor = (args: Args): Call =>
    typeof tags === 'function' ? { ...plain, tags: (value: T) => tags(value, args) } : plain
  const answer = (...args: Args): Promise<T> =>
    engine.answer(
      key(...args),
      plain,
      () => callFor(args),
      () => load(...args),
    ) as Promise<T>

  return Object.assign(answer, {
    key,
    many: (list: Args[]): Promise<T[]> => {
      const keys = list.map((args) => key(...args))
      const argsOf = new Map(keys.map((one, i) => [one, list[i] as Args]))
      const loadThese = async (missing: readonly unknown[]): Promise<T[]> => {
        const args = missing.map((one) => argsOf.get(one as readonly KeyPart[]) as Args)
        return loadMany ? loadMany(args) : Promise.all(args.map((one) => load(...one)))
      }
      const call = (one: unknown): Call => callFor(argsOf.get(one as readonly KeyPart[]) as Args)
      return getMany(engine, keys, loadThese, plain, call) as Promise<T[]>
    },
    invalidate: (...args: Args): Promise<void> => remove(engine, [engine.key(key(...args))]),
    refresh: async (...args: Args): Promise<T> => {
      const call = { ...callFor(args), force: true }
      return engine.give(engine.key(key(...args)), () => load(...args), call) as Promise<T>
    },
    peek: (...args: Args): T | undefined => engine.peek(key(...args), plain) as T | undefined,
  })
}
