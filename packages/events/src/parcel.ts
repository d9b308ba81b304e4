import type { SchemaResult, StandardSchema } from '@larder/core'

/** What a payload turned out to be. */
export type Opened<Item> =
  | { readonly state: 'valid'; readonly item: Item }
  | { readonly state: 'invalid'; readonly reason: string; readonly issues: readonly { readonly message: string }[] }

/** What is made of a payload: the same for all who read it with the same schema, and frozen. */
export interface Item {
  readonly id: string | undefined
  readonly payload: unknown
  readonly gap: false
}

const NONE: readonly never[] = Object.freeze([])

/**
 * A payload as it came, opened once for all readers of this process: parsed when somebody first asks, checked once a schema. What
 * they get is shared and therefore frozen, apart from what a schema made of it.
 */
export class Parcel {
  /** Of the entry of a stream. */
  readonly id: string | undefined
  /** As it came. */
  readonly raw: string
  readonly #text: string | undefined
  readonly #fault: string
  #parsed: Opened<Item> | undefined
  #checked: WeakMap<StandardSchema, Opened<Item> | Promise<Opened<Item>>> | undefined

  /** @param text JSON; `undefined` when what came is not in our form, and `fault` says how not */
  constructor(raw: string, text: string | undefined, fault: string, id?: string) {
    this.raw = raw
    this.#text = text
    this.#fault = fault
    this.id = id
  }

  /** Bytes that it takes, about. */
  get size(): number {
    return 2 * this.raw.length
  }

  /** What is in it. Never throws, never rejects. */
  open(schema: StandardSchema | undefined): Opened<Item> | Promise<Opened<Item>> {
    this.#parsed ??= this.#parse()
    if (schema === undefined || this.#parsed.state === 'invalid') return this.#parsed
    this.#checked ??= new WeakMap()
    const known = this.#checked.get(schema)
    if (known) return known
    const opened = check(schema, this.#parsed.item)
    this.#checked.set(schema, opened)
    return opened
  }

  #parse(): Opened<Item> {
    if (this.#text === undefined) return { state: 'invalid', reason: this.#fault, issues: NONE }
    try {
      const payload = deepFreeze(JSON.parse(this.#text))
      return { state: 'valid', item: Object.freeze({ id: this.id, payload, gap: false }) }
    } catch (error) {
      return { state: 'invalid', reason: `it is no JSON: ${messageOf(error)}`, issues: NONE }
    }
  }
}

function check(schema: StandardSchema, item: Item): Opened<Item> | Promise<Opened<Item>> {
  const judge = (result: SchemaResult<unknown>): Opened<Item> => {
    if (result.issues) {
      const reason = `its schema refuses it: ${result.issues.map(({ message }) => message).join('; ')}`
      return { state: 'invalid', reason, issues: result.issues }
    }
    return { state: 'valid', item: Object.freeze({ ...item, payload: result.value }) }
  }
  const fail = (error: unknown): Opened<Item> => ({
    state: 'invalid',
    reason: `its schema failed: ${messageOf(error)}`,
    issues: NONE,
  })
  try {
    const result = schema['~standard'].validate(item.payload)
    return result instanceof Promise ? result.then(judge).catch(fail) : judge(result)
  } catch (error) {
    return fail(error)
  }
}

/** Freezes what JSON can say, whole. A reviver of `JSON.parse` would take three times as long. */
function deepFreeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  for (const name in value) deepFreeze((value as Record<string, unknown>)[name])
  return Object.freeze(value)
}

/** What an error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
