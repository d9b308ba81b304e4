/**
 * What is promised of delivery. `'at-most-once'`: what is published while nobody hears is gone, and told of as a gap. `'resumable'`:
 * kept for a while, read on from any place; a gap is told of when it was kept no longer.
 */
export type Guarantee = 'at-most-once' | 'resumable'

/** How a {@link Source} is made. */
export interface SourceParts<Item, G extends Guarantee> {
  readonly guarantee: G
  readonly items: (signal: AbortSignal) => AsyncGenerator<Item, void, void>
  /** Resolves when it has begun. */
  readonly ready: Promise<void>
  /** Called once, at the end. */
  readonly onEnd: () => void
  /** Ends it. */
  readonly signal: AbortSignal | undefined
}

/**
 * Events, one after the other: to be read by one `for await`. Ends when the loop is left, `signal` is aborted, it is disposed of or
 * the application is closed; never throws.
 */
export class Source<Item, G extends Guarantee = Guarantee> implements AsyncIterableIterator<Item>, AsyncDisposable {
  /** What is promised of delivery. */
  readonly guarantee: G
  /** Resolves as soon as nothing that is sent from now on escapes it, or at its end. */
  readonly ready: Promise<void>
  readonly #items: AsyncGenerator<Item, void, void>
  readonly #controller = new AbortController()
  readonly #onEnd: () => void
  readonly #signal: AbortSignal | undefined
  readonly #onAbort = () => this.close()

  constructor({ guarantee, items, ready, onEnd, signal }: SourceParts<Item, G>) {
    this.guarantee = guarantee
    this.#items = items(this.#controller.signal)
    this.#onEnd = onEnd
    this.#signal = signal
    const ended = new Promise<void>((resolve) => {
      this.#controller.signal.addEventListener('abort', () => resolve(), { once: true })
    })
    this.ready = Promise.race([ready, ended])
    if (signal?.aborted) this.close()
    else signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** Whether it has ended. */
  get closed(): boolean {
    return this.#controller.signal.aborted
  }

  /** Ends it. What was not read yet is dropped. */
  close(): void {
    if (this.closed) return
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#controller.abort()
    this.#onEnd()
  }

  async next(): Promise<IteratorResult<Item, undefined>> {
    const result = this.closed ? undefined : await this.#items.next()
    if (result === undefined || result.done || this.closed) {
      this.close()
      return { done: true, value: undefined }
    }
    return { done: false, value: result.value }
  }

  async return(): Promise<IteratorResult<Item, undefined>> {
    this.close()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }
}
