import { Readable } from 'node:stream'

/** What can be sent as a server-sent event. */
export interface Sendable {
  /** What a browser that comes back says it had last. */
  readonly id?: string | undefined
  readonly payload: unknown
  /** Events may be missing before this one. */
  readonly gap?: boolean
}

/** Options of an {@link EventStream}. */
export interface EventStreamOptions<Item extends Sendable> {
  /** Name of the events. */
  readonly event: string | undefined
  /** What is sent as data, as JSON; `undefined`: the payload. */
  readonly data: ((item: Item) => unknown) | undefined
  /** Milliseconds after which something is sent although nothing happened. */
  readonly heartbeat: number
  /** Milliseconds after which a client that takes nothing is dropped. */
  readonly stallTimeout: number
  /** Milliseconds after which a browser comes back; `undefined` leaves it to the browser. */
  readonly retry: number | undefined
  /** Resolves when nothing that happens from now on escapes the items. */
  readonly ready: Promise<void> | undefined
  /** Called once, when it is over. */
  readonly onEnd: () => void
}

/** Bytes that wait for one client here; as many again may wait in its response, and what its socket holds. */
const BUFFER = 16_384
const COMMENT = ':\n\n'
const GAP = 'event: gap\ndata: {}\n\n'

/** Frames of items that many clients are sent: made once. */
const frames = new WeakMap<object, { event: string | undefined; frame: string }>()

/**
 * Events as the body of a response: `text/event-stream` of the HTML standard. Takes the next event only when the client has taken
 * those before, so that a slow one costs no memory; drops one that takes nothing for too long.
 */
export class EventStream<Item extends Sendable> extends Readable {
  readonly #items: AsyncIterator<Item>
  readonly #options: EventStreamOptions<Item>
  readonly #timer: NodeJS.Timeout
  #pumping = false
  #ended = false
  /** Bytes that were put in. */
  #bytes = 0
  /** Bytes that the client had taken, when it was last looked, and when that changed. */
  #taken = 0
  #movedAt = performance.now()
  #sentAt = performance.now()

  constructor(items: AsyncIterable<Item>, options: EventStreamOptions<Item>) {
    super({ highWaterMark: BUFFER })
    this.#items = items[Symbol.asyncIterator]()
    this.#options = options
    const { heartbeat, stallTimeout, retry } = options
    this.#timer = setInterval(() => this.#tick(), Math.min(heartbeat, stallTimeout) / 2).unref()
    const first = retry === undefined ? COMMENT : `retry: ${Math.round(retry)}\n\n`
    // A browser that knows that it is connected can rely on hearing what happens from then on.
    void (options.ready ?? Promise.resolve()).then(() => this.#put(first))
  }

  override _read(): void {
    if (!this.#pumping) void this.#pump()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearInterval(this.#timer)
    this.#items.return?.().catch(() => {})
    this.#options.onEnd()
    callback(error)
  }

  async #pump(): Promise<void> {
    this.#pumping = true
    try {
      for (;;) {
        const result = await this.#items.next()
        if (this.destroyed) return
        if (result.done) {
          this.#ended = true
          this.push(null)
          return
        }
        if (!this.#put(this.#frame(result.value))) break
      }
    } catch (error) {
      this.destroy(error as Error)
    } finally {
      this.#pumping = false
    }
  }

  #frame(item: Item): string {
    const { event, data } = this.#options
    const known = data === undefined ? frames.get(item) : undefined
    if (known && known.event === event) return known.frame
    const id = item.id === undefined ? '' : `id: ${item.id}\n`
    const name = event === undefined ? '' : `event: ${event}\n`
    const text = JSON.stringify(data ? data(item) : item.payload) ?? 'null'
    const frame = `${item.gap ? GAP : ''}${id}${name}data: ${text}\n\n`
    if (data === undefined) frames.set(item, { event, frame })
    return frame
  }

  #put(frame: string): boolean {
    if (this.#ended || this.destroyed) return false
    this.#bytes += Buffer.byteLength(frame)
    this.#sentAt = performance.now()
    return this.push(frame)
  }

  #tick(): void {
    const now = performance.now()
    const taken = this.#bytes - this.readableLength
    if (taken !== this.#taken || this.readableLength === 0) {
      this.#taken = taken
      this.#movedAt = now
    } else if (now - this.#movedAt > this.#options.stallTimeout) {
      this.destroy()
      return
    }
    // Where something waits already, that is what tells whether anybody is there.
    if (this.readableLength === 0 && now - this.#sentAt >= this.#options.heartbeat / 2) this.#put(COMMENT)
  }
}
