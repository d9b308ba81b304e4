/** How a resource is locked. */
export type Family = 'lock' | 'semaphore' | 'read-write'

/**
 * Keys of one slot share a fencing counter: so there are at most this many, they need never expire, and tokens grow for ever
 * although the keys of a lock go when it is free. On Cluster the slots spread over all nodes.
 */
const SLOTS = 256

/** What is locked, and where it is kept in Redis. */
export class Resource {
  readonly #namespace: string
  readonly #family: Family
  /** The logical name. */
  readonly name: string
  readonly slot: number
  /** `<ns>:<family>:{<slot>}:<name>`: who holds it. */
  readonly place: string

  constructor(namespace: string, family: Family, name: string) {
    this.#namespace = namespace
    this.#family = family
    this.name = name
    this.slot = hash(name) % SLOTS
    this.place = `${namespace}:${family}:{${this.slot}}:${name}`
  }

  get mutex(): boolean {
    return this.#family === 'lock'
  }

  /** `<ns>:<family>-queue:{<slot>}:<name>`: who waits for it. */
  get queue(): string {
    return `${this.#namespace}:${this.#family}-queue:{${this.slot}}:${this.name}`
  }
}

/** FNV-1a over UTF-16 units: all processes must agree. */
function hash(name: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < name.length; i++) value = Math.imul(value ^ name.charCodeAt(i), 0x01000193)
  return value >>> 0
}
