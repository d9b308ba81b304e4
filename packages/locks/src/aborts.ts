/** Who waits for a signal, with one listener on it however many they are: Node warns of a leak from eleven on. */
const waiting = new WeakMap<AbortSignal, { readonly callbacks: Set<() => void>; readonly listener: () => void }>()

/** Calls back when the signal is aborted; returns the end of it. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const known = waiting.get(signal) ?? listenTo(signal)
  // A function of one's own for each call, so that the same callback may be given twice.
  const own = (): void => callback()
  known.callbacks.add(own)
  return () => {
    known.callbacks.delete(own)
    if (known.callbacks.size > 0) return
    signal.removeEventListener('abort', known.listener)
    if (waiting.get(signal) === known) waiting.delete(signal)
  }
}

/** The promise, or the signal's reason when it is aborted before. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const end = onAbort(signal, () => reject(signal.reason))
    promise.then(resolve, reject).finally(end)
  })
}

function listenTo(signal: AbortSignal): { readonly callbacks: Set<() => void>; readonly listener: () => void } {
  const callbacks = new Set<() => void>()
  const listener = (): void => {
    for (const callback of [...callbacks]) callback()
  }
  signal.addEventListener('abort', listener, { once: true })
  const known = { callbacks, listener }
  waiting.set(signal, known)
  return known
}
