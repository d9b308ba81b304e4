import { Transform, type TransformCallback } from 'node:stream'

/** What a {@link Tee} tells, once. */
export interface TeeEvents {
  /** All came, and this is it; the end of the stream waits for it. */
  whole(body: Buffer): Promise<void>
  /** It is larger than may be kept; it goes on to the client. */
  tooLarge(): void
  /** It ended before it was whole. */
  cut(): void
}

/** Passes a body on and keeps a copy of it, up to a size. */
export class Tee extends Transform {
  readonly #events: TeeEvents
  readonly #limit: number
  #chunks: Buffer[] | undefined = []
  #size = 0

  constructor(limit: number, events: TeeEvents) {
    super()
    this.#limit = limit
    this.#events = events
  }

  override _transform(chunk: Buffer | string, encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#chunks) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk
      this.#size += bytes.length
      if (this.#size > this.#limit) {
        this.#chunks = undefined
        this.#events.tooLarge()
      } else this.#chunks.push(bytes)
    }
    done(null, chunk)
  }

  override _flush(done: TransformCallback): void {
    const chunks = this.#chunks
    this.#chunks = undefined
    if (!chunks) {
      done()
      return
    }
    // Whoever has the whole answer finds it kept.
    this.#events.whole(Buffer.concat(chunks)).then(
      () => done(),
      () => done(),
    )
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.#chunks) this.#events.cut()
    this.#chunks = undefined
    done(error)
  }
}
