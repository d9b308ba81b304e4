import { setTimeout as sleep } from 'node:timers/promises'
import { FOR, fieldOf } from './entries.js'
import { completeId, START } from './entry-id.js'
import type { PayloadTerms, ReadOptions } from './options.js'
import { Source } from './source.js'
import type { Page } from './store.js'
import type { Tail } from './tail.js'
import type { OnGap, Workshop } from './workshop.js'

/** An entry of a stream. */
export interface StreamEntry<T> {
  /** Where to read on after it. */
  readonly id: string
  /** Shared by all readers of this process and frozen, unless a schema made it. */
  readonly payload: T
  /** Whether entries may be missing before this one: the stream had been trimmed beyond the place that was read from. */
  readonly gap: boolean
}

/** Entries of a stream, from some place on. */
export type Reading<T> = Source<StreamEntry<T>, 'resumable'>

/** Entries that one question brings at most. */
const PAGE = 100
const RETRY_FIRST = 50
const RETRY_LAST = 1_000

/** What a reading needs to know. */
export interface ReadingTerms extends PayloadTerms, Pick<ReadOptions, 'after'> {
  readonly name: string
  readonly signal: AbortSignal | undefined
  readonly onGap: OnGap | undefined
}

/** Reads a stream from a place on, and waits at its end for more. */
export function openReading<T>(workshop: Workshop, terms: ReadingTerms): Reading<T> {
  const { tail, release } = workshop.tails.acquire(terms.name)
  let begun = (): void => {}
  let forget = (): void => {}
  const ready = new Promise<void>((resolve) => {
    begun = resolve
  })
  let place: Promise<string> | undefined
  const source: Reading<T> = new Source<StreamEntry<T>, 'resumable'>({
    guarantee: 'resumable',
    ready,
    signal: terms.signal,
    items: (signal) => {
      // Asked for at the call, not at the first `next`: "from now on" means from the call on.
      place = signal.aborted ? undefined : beginning(workshop, terms, signal)
      place?.then(begun)
      return entries<T>(workshop, terms, { tail, place: place ?? Promise.resolve(START), signal })
    },
    onEnd: () => {
      release()
      forget()
    },
  })
  forget = workshop.opened(source)
  if (source.closed) forget()
  return source
}

async function beginning({ store }: Workshop, { name, after }: ReadingTerms, signal: AbortSignal): Promise<string> {
  if (after !== undefined) return after === '0' ? START : completeId(after)
  return (await persistently(() => store.newest(name), signal)) ?? START
}

async function* entries<T>(
  workshop: Workshop,
  { name, schema, onInvalid, onGap }: ReadingTerms,
  { tail, place, signal }: { tail: Tail; place: Promise<string>; signal: AbortSignal },
): AsyncGenerator<StreamEntry<T>, void, void> {
  const where = { carrier: 'stream', name, onInvalid } as const
  let position = await place
  let gap = false
  // What was asked to begin with may be long gone: the store is asked once, even where others read already.
  let sure = false
  while (!signal.aborted) {
    const { version } = tail
    let batch = sure ? tail.after(position) : undefined
    if (batch === undefined) {
      const page: Page | undefined = await persistently(() => tail.page(position, PAGE), signal)
      if (page === undefined) return
      if (!page.intact) {
        gap = true
        workshop.gap('stream', name, 'trimmed', onGap)
      }
      batch = page.entries
      if (batch.length === 0) position = page.position
      if (batch.length < PAGE) sure = true
      if (batch.length === 0 && tail.after(position) !== undefined) continue
    }
    if (batch.length === 0) await tail.changed(version, signal)
    for (const entry of batch) {
      position = entry.id
      // Added again for one group of consumers: all others have had it.
      if (fieldOf(entry.fields, FOR) !== undefined) continue
      const opened = await workshop.open(entry.parcel, schema, where)
      if (!opened) continue
      const item = opened.item as StreamEntry<T>
      yield gap ? Object.freeze({ ...item, gap }) : item
      gap = false
    }
  }
}

/** The outcome, as soon as there is one; `undefined` when the signal is aborted before. */
async function persistently<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  for (let wait = RETRY_FIRST; !signal.aborted; wait = Math.min(2 * wait, RETRY_LAST)) {
    try {
      return await work()
    } catch {
      await sleep(wait, undefined, { signal, ref: false }).catch(() => {})
    }
  }
  return undefined
}
