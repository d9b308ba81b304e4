/** What {@link Budget.spend} answers when the time is over. */
export const SPENT: unique symbol = Symbol('spent')

/** The time that one read may wait for Redis, all its commands together (G7). In milliseconds. */
export class Budget {
  #left: number

  constructor(limit: number) {
    this.#left = limit
  }

  /** What the promise brings, unless the budget is spent before; it goes on then. */
  spend<T>(promise: Promise<T>): Promise<T | typeof SPENT> {
    const began = performance.now()
    return new Promise((resolve, reject) => {
      // After a stall of our own the answer may lie in the socket, which gets its turn first.
      const timer = setTimeout(() => setImmediate(resolve, SPENT), Math.max(this.#left, 0))
      promise.then(resolve, reject).finally(() => {
        clearTimeout(timer)
        this.#left -= performance.now() - began
      })
    })
  }
}
