import type { LockEvent } from '@larder/locks'
import type { Book } from './book.js'
import { hear, type Recorder } from './recorder.js'
import * as SERIES from './series.js'

/** The locks of one registration, as `metrics.snapshot()` tells of them. */
export interface LocksSnapshot {
  readonly acquired: number
  /** Attempts without success: not free, timeout, aborted, Redis away. */
  readonly failed: number
  readonly lost: number
  readonly held: number
  readonly waiting: number
}

const FAILURES = {
  busy: 'contended',
  timeout: 'timeout',
  aborted: 'aborted',
  unavailable: 'unavailable',
  replicas: 'replicas',
}

/** What locks tell. */
export class Locks implements Recorder {
  readonly #book: Book
  readonly #end: () => void
  readonly #acquires
  readonly #waits
  readonly #holds
  readonly #losses

  constructor(book: Book) {
    this.#book = book
    this.#acquires = book.counter(SERIES.lockAcquires)
    this.#waits = book.distribution(SERIES.lockWaits)
    this.#holds = book.distribution(SERIES.lockHolds)
    this.#losses = book.counter(SERIES.lockLosses)
    book.stateGauge(SERIES.lockHeld, 'locks', 'held')
    book.stateGauge(SERIES.lockWaiting, 'locks', 'waiting')
    this.#end = hear<LockEvent>(book, 'locks', (event) => this.#on(event))
  }

  snapshot(): Record<string, LocksSnapshot> {
    return Object.fromEntries(
      this.#book.states('locks').map(({ name, values: { held = 0, waiting = 0 } }) => {
        const failed = Object.values(FAILURES).map((result) => this.#acquires.cell(name, result).value)
        const lost = (SERIES.lockLosses.labels[1]?.values ?? []).map((reason) => this.#losses.cell(name, reason).value)
        return [
          name,
          {
            acquired: this.#acquires.cell(name, 'acquired').value,
            failed: total(failed),
            lost: total(lost),
            held,
            waiting,
          },
        ]
      }),
    )
  }

  open(name: string): void {
    for (const family of [this.#acquires, this.#waits, this.#holds, this.#losses]) family.open(name)
  }

  close(): void {
    this.#end()
  }

  #on(event: LockEvent): void {
    const { locks } = event
    switch (event.type) {
      case 'acquired':
        this.#acquires.cell(locks, 'acquired').add()
        this.#waits.cell(locks).add(event.waited / 1_000)
        break
      case 'failed':
        this.#acquires.cell(locks, FAILURES[event.reason]).add()
        this.#waits.cell(locks).add(event.waited / 1_000)
        break
      case 'lost':
        this.#losses.cell(locks, event.reason).add()
        this.#holds.cell(locks).add(event.held / 1_000)
        break
      case 'released':
        // Of a lease that was lost, the loss has told before.
        if (event.answer === 'released') this.#holds.cell(locks).add(event.held / 1_000)
    }
  }
}

function total(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0)
}
