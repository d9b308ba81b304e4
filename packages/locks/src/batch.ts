import type { Argument, Gate, Reply, Script } from '@larder/core'

/** Items that one command takes at most: about half a millisecond of the server. */
const MOST = 50

interface Item {
  readonly keys: readonly [string, string]
  readonly args: readonly Argument[]
  /** Items of different slots cannot share a command on Cluster. */
  readonly slot: number
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: unknown) => void
}

/**
 * Runs a script that takes many items: a lone one at once, further ones of the same turn of the event loop together. What many
 * callers do at once costs hardly more than what one does.
 */
export class Batch {
  readonly #gate: Gate
  readonly #script: Script
  readonly #split: boolean
  #waiting: Item[] = []
  #busy = false
  readonly #flushTurn = (): void => this.#flush()

  /**
   * @param script answers a list, or to a single item its answer alone
   * @param split whether items of different slots need commands of their own
   */
  constructor(gate: Gate, script: Script, split: boolean) {
    this.#gate = gate
    this.#script = script
    this.#split = split
  }

  /** What `read` makes of the script's reply for this item. */
  run<T>(
    keys: readonly [string, string],
    args: Argument[],
    slot: number,
    read: (reply: Reply) => T | PromiseLike<T>,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const answer = (reply: Reply): void => resolve(read(reply))
      if (this.#busy) {
        this.#waiting.push({ keys, args, slot, resolve: answer, reject })
        return
      }
      this.#busy = true
      queueMicrotask(this.#flushTurn)
      this.#gate.run(this.#script, keys, args).then(answer, reject)
    })
  }

  #flush(): void {
    this.#busy = false
    const waiting = this.#waiting
    if (waiting.length === 0) return
    this.#waiting = []
    for (const group of this.#split ? bySlot(waiting) : [waiting]) {
      for (let i = 0; i < group.length; i += MOST) this.#send(group.slice(i, i + MOST))
    }
  }

  #send(items: readonly Item[]): void {
    const keys: string[] = []
    const args: Argument[] = []
    for (const item of items) {
      keys.push(item.keys[0], item.keys[1])
      for (const arg of item.args) args.push(arg)
    }
    this.#gate.run(this.#script, keys, args).then(
      (reply) => {
        const answers = items.length > 1 && Array.isArray(reply) ? reply : [reply]
        for (let i = 0; i < items.length; i++) (items[i] as Item).resolve(answers[i])
      },
      (error) => {
        for (const { reject } of items) reject(error)
      },
    )
  }
}

function bySlot(items: readonly Item[]): Iterable<Item[]> {
  const groups = new Map<number, Item[]>()
  for (const item of items) {
    const group = groups.get(item.slot)
    if (group) group.push(item)
    else groups.set(item.slot, [item])
  }
  return groups.values()
}
