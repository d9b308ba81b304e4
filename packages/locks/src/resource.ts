/** How a resource is locked. */
export type Family = 'lock' | 'semaphore' | 'read-write'

/**
 * Keys of one slot share a fencing counter: so there are at most this many, they need never expire, and tokens grow for ever
 * although the keys of a lock go when it is free. On Cluster the slots spread over all nodes.
 */
const SLOTS = 256

/** What is locked, and where it is kept in Redis. */
export class Resource {
  /** The logical name. */
  readonly name: string
  readonly mutex: boolean
  readonly slot: number
  /** `<ns>:<family>:{<slot>}:<name>`: who holds it. */
  readonly place: string
  /** `<ns>:<family>-queue:{<slot>}:<name>`: who waits for it. */
  readonly queue: string
  /** `<ns>:fence:{<slot>}`: the last fencing token. */
  readonly fence: string

  constructor(namespace: string, family: Family, name: string) {
    const slot = hash(name) % SLOTS
    const rest = `:{${slot}}:${name}`
    this.name = name
    this.slot = slot
    this.mutex = family === 'lock'
    this.place = `${namespace}:${family}${rest}`
    this.queue = `${namespace}:${family}-queue${rest}`
    this.fence = `${namespace}:fence:{${slot}}`
  }
}

/** FNV-1a over UTF-16 units: all processes must agree. */
function hash(name: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < name.length; i++) value = Math.imul(value ^ name.charCodeAt(i), 0x01000193)
  return value >>> 0
}
