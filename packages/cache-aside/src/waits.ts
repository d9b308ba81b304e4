/** A wait for the change of an entry. Open it before asking for the lease: the message can overtake the refusal. */
export interface Wait {
  /** Resolves at the change, or after `limit` milliseconds: `true` when there was a change. */
  changed(limit: number, signal: AbortSignal): Promise<boolean>
  close(): void
}

/** Who waits for which entry, in this process. */
export class Waits {
  readonly #waiting = new Map<string, Set<() => void>>()

  open(key: string): Wait {
    let changed = false
    let notify = (): void => {}
    const wake = (): void => {
      changed = true
      notify()
    }
    const all = this.#waiting.get(key) ?? new Set()
    this.#waiting.set(key, all.add(wake))
    return {
      changed: (limit, signal) =>
        new Promise((resolve) => {
          const done = (): void => {
            clearTimeout(timer)
            signal.removeEventListener('abort', done)
            resolve(changed)
          }
          const timer = setTimeout(done, limit)
          signal.addEventListener('abort', done)
          notify = done
          if (changed || signal.aborted) done()
        }),
      close: () => {
        all.delete(wake)
        if (all.size === 0 && this.#waiting.get(key) === all) this.#waiting.delete(key)
      },
    }
  }

  /** The entry changed. */
  wake(key: string): void {
    const all = this.#waiting.get(key)
    if (all) for (const wake of all) wake()
  }

  /** Anything may have changed, or nothing more will be heard. */
  wakeAll(): void {
    for (const all of this.#waiting.values()) for (const wake of all) wake()
  }
}
