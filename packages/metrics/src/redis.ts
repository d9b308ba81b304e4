import {
  Breaker,
  clientsOf,
  type FeedEvent,
  feedChannel,
  type RedisClient,
  type RedisEvent,
  redisChannel,
} from '@larder/core'
import type { Book } from './book.js'
import { inMs } from './family.js'
import { type Recorder, subscribe } from './recorder.js'
import * as SERIES from './series.js'

/** Redis, as `metrics.snapshot()` tells of it. */
export interface RedisSnapshot {
  /** Whether the commands of all clients in use are let through; `undefined` in memory. */
  readonly up: boolean | undefined
  readonly commands: number
  /** Commands that were not answered, or refused. */
  readonly failed: number
  readonly commandMs: { readonly p50: number | undefined; readonly p99: number | undefined }
  readonly distrusts: number
}

/** What the connections tell that the plugins of an application use. */
export class RedisRecorder implements Recorder {
  readonly #book: Book
  readonly #ends: (() => void)[]
  readonly #changes
  readonly #commands
  readonly #distrusts
  readonly #heard

  constructor(book: Book) {
    this.#book = book
    this.#changes = book.counter(SERIES.redisChanges)
    this.#commands = book.distribution(SERIES.redisCommands)
    this.#distrusts = book.counter(SERIES.feedDistrusts)
    this.#heard = book.counter(SERIES.feedHeard)
    book.gauge(SERIES.redisUp, () => {
      const up = this.#up()
      return up === undefined ? [] : [{ labels: {}, value: Number(up) }]
    })
    this.#ends = [
      subscribe(redisChannel, (message) => this.#onRedis(message as RedisEvent)),
      subscribe(feedChannel, (message) => this.#onFeed(message as FeedEvent)),
    ]
  }

  snapshot(): RedisSnapshot {
    const ok = this.#commands.cell('ok')
    const failed = ['refused', 'timeout', 'unavailable'].map((outcome) => this.#commands.cell(outcome).count)
    const total = failed.reduce((sum, count) => sum + count, 0)
    return {
      up: this.#up(),
      commands: ok.count + total,
      failed: total,
      commandMs: { p50: inMs(ok.quantile(0.5)), p99: inMs(ok.quantile(0.99)) },
      distrusts: this.#distrusts.cell().value,
    }
  }

  close(): void {
    for (const end of this.#ends) end()
  }

  #up(): boolean | undefined {
    const states = [...clientsOf(this.#book.app)].map((client) => Breaker.isUp(client)).filter((up) => up !== undefined)
    return states.length === 0 ? undefined : states.every((up) => up)
  }

  #isOurs({ client }: { client: object }): boolean {
    return clientsOf(this.#book.app).has(client as RedisClient)
  }

  #onRedis(event: RedisEvent): void {
    if (!this.#isOurs(event)) return
    if (event.type === 'command') this.#commands.cell(event.outcome).add(event.milliseconds / 1_000)
    else this.#changes.cell(event.type).add()
  }

  #onFeed(event: FeedEvent): void {
    if (!this.#isOurs(event)) return
    if (event.type === 'heard') this.#heard.cell().add()
    else if (event.type === 'distrusted') this.#distrusts.cell().add()
  }
}
