/** What a process knows of one slot: the keys that it shares with others there, and the highest fencing token it has seen. */
export interface Slot {
  /** `<ns>:fence:{<slot>}`: the last fencing token. */
  readonly fence: string
  seen: string
  /** `<ns>:latch:{<slot>}:<process>:<number>`: records of releases, those that no release under way uses. */
  readonly latches: string[]
}

/** The slots that a process uses. */
export class Slots {
  readonly #namespace: string
  readonly #process: string
  readonly #slots: (Slot | undefined)[] = []
  #latches = 0

  constructor(namespace: string, process: string) {
    this.#namespace = namespace
    this.#process = process
  }

  /** One of them. */
  at(number: number): Slot {
    const known = this.#slots[number]
    if (known) return known
    const slot: Slot = { fence: `${this.#namespace}:fence:{${number}}`, seen: '0', latches: [] }
    this.#slots[number] = slot
    return slot
  }

  /** A key for the record of a release that is about to be sent: free, or a new one. */
  latch(number: number): string {
    return this.at(number).latches.pop() ?? `${this.#namespace}:latch:{${number}}:${this.#process}:${this.#latches++}`
  }
}
