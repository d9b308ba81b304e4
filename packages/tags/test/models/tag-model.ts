import { type Epoch, type Epochs, encodeTag } from '@larder/core'
import type { Store } from '../../../cache-aside/dist/store.js'
import type { Model, Move } from './explore.js'
import type { Remover } from './lease-model.js'
import { entry, type Held, idOf, LIMIT, LONG, put, tokenOf } from './slot.js'

// One key with one tag: epochs, invalidations, evictions of entry, tag and clock.

/** A call that reads, and loads what is not there. */
interface TagLoader {
  readonly at: 'start' | 'judging' | 'leasing' | 'dating' | 'loading' | 'admitting' | 'storing' | 'releasing' | 'end'
  /** What counted when the call began. */
  readonly due: number
  readonly value: number
  readonly epoch: Epoch
  /** The entry that was read. */
  readonly read: { value: number; epoch: Epoch; id: number } | undefined
}
/** What Redis holds, and how far everybody is. */
export interface TagState {
  readonly v: Held
  /** Hard epoch of the tag. */
  readonly t: Epoch | null
  readonly c: Epoch | null
  readonly row: number
  readonly done: number
  readonly ids: number
  readonly loaders: readonly TagLoader[]
  readonly writers: readonly Remover[]
  readonly evictions: number
  readonly served: string | undefined
}

/** How many of each there are, and what is broken. */
export interface TagSize {
  readonly loaders?: number
  readonly writers?: number
  readonly evictions?: number
  /** Whether the tag is known before the load, or computed from the value. */
  readonly known?: boolean
  readonly mutant?: 'clock after load' | 'missing is valid' | 'made at the entry’s epoch' | 'clock without time'
}

/** Where a step is tried. */
export interface TagSlot {
  readonly store: Store
  readonly key: string
  /** The epochs of a process that knows nothing yet. */
  epochs(entryEpoch?: Epoch): Epochs
  del(what: 'v' | 't' | 'c'): Promise<unknown>
}

const TAG = encodeTag('tag')

/** One key with one tag, of this size. */
export function tagModel(size: TagSize): Model<TagState, TagSlot> {
  const { loaders = 2, writers = 2, evictions = 1 } = size
  const start: TagLoader = { at: 'start', due: 0, value: 0, epoch: 0, read: undefined }
  return {
    initial: {
      v: null,
      t: null,
      c: null,
      row: 0,
      done: 0,
      ids: 0,
      loaders: new Array(loaders).fill(start),
      writers: new Array(writers).fill({ at: 'start', value: 0 }),
      evictions,
      served: undefined,
    },
    key: tagKey,
    violation: ({ served }) => served,
    moves: (state) => tagMoves(state, size),
  }
}

/** Epochs matter by their order only, ids by whether they are the entry's. */
function tagKey(state: TagState): string {
  const epochs = [state.c, state.t, state.v?.is === 'entry' ? state.v.epoch : null]
  for (const { epoch, read } of state.loaders) epochs.push(epoch, read?.epoch ?? null)
  const ranks = [...new Set(epochs)].filter((one) => one !== null).sort((a, b) => a - b)
  const rank = (epoch: Epoch | null | undefined) =>
    epoch === null || epoch === undefined ? null : ranks.indexOf(epoch)
  const { v } = state
  const same = (id: number | undefined) => (id === undefined ? null : v?.is === 'entry' && v.id === id)
  return JSON.stringify([
    v?.is === 'entry' ? [v.value, rank(v.epoch), v.expired] : v,
    rank(state.t),
    rank(state.c),
    state.row,
    state.done,
    state.loaders.map(({ at, due, value, epoch, read }) => [
      at,
      due,
      value,
      rank(epoch),
      read && [read.value, rank(read.epoch), same(read.id)],
    ]),
    state.writers,
    state.evictions,
    state.served,
  ])
}

function tagMoves(state: TagState, { known = false, mutant }: TagSize): Move<TagState, TagSlot>[] {
  const { v, t, c, row, done, ids } = state
  const moves: Move<TagState, TagSlot>[] = []
  const late = mutant === 'clock after load'
  state.loaders.forEach((loader, i) => {
    const to = (one: Partial<TagLoader>, rest: Partial<TagState> = {}): TagState => ({
      ...state,
      ...rest,
      loaders: put(state.loaders, i, { ...loader, ...one }),
    })
    const over: TagLoader = { at: 'end', due: 0, value: 0, epoch: 0, read: undefined }
    if (loader.at === 'start') {
      const read = v?.is === 'entry' ? { value: v.value, epoch: v.epoch, id: v.id } : undefined
      moves.push({ label: `L${i} reads the slot`, next: to({ at: read ? 'judging' : 'leasing', due: done, read }) })
    } else if (loader.at === 'judging') {
      const { value, epoch } = loader.read as { value: number; epoch: Epoch }
      moves.push({
        label: `L${i} judges ${value}`,
        run: (slot) => slot.epochs().check([TAG], epoch),
        after: (verdict) => {
          if (verdict !== 'fresh') return to({ at: 'leasing' })
          const served = value < loader.due ? `L${i} was served ${value}, but ${loader.due} counted` : undefined
          return to(over, { served })
        },
      })
    } else if (loader.at === 'leasing') {
      moves.push({
        label: `L${i} leases`,
        run: ({ store, key }) => store.lease(key, tokenOf(i), LIMIT, loader.read && idOf(loader.read.id)),
        after: (grant) => {
          const { state: answer } = grant as { state: string }
          if (answer === 'granted') return to({ at: late ? 'loading' : 'dating', read: undefined })
          if (answer !== 'stored' || v?.is !== 'entry') return undefined
          return to({ at: 'judging', read: { value: v.value, epoch: v.epoch, id: v.id } })
        },
      })
    } else if (loader.at === 'dating') {
      moves.push({
        label: `L${i} reads the clock`,
        run: (slot) => slot.epochs().ensure(known ? [TAG] : [], LONG),
        after: (epoch) => to({ at: late ? 'admitting' : 'loading', epoch: epoch as Epoch }),
      })
    } else if (loader.at === 'loading') {
      moves.push({ label: `L${i} loads ${row}`, next: to({ at: late ? 'dating' : 'admitting', value: row }) })
    } else if (loader.at === 'admitting') {
      moves.push({
        label: `L${i} is admitted`,
        run: (slot) => slot.epochs(loader.epoch).admit([TAG], loader.epoch, LONG),
        after: (verdict) => to({ at: verdict === 'invalid' ? 'releasing' : 'storing' }),
      })
    } else if (loader.at === 'storing') {
      moves.push({
        label: `L${i} stores ${loader.value}`,
        run: ({ store, key }) =>
          store.fill(key, tokenOf(i), undefined, entry(loader.value, ids + 1, loader.epoch), LONG),
        after: () => to(over, { ids: ids + 1 }),
      })
    } else if (loader.at === 'releasing') {
      moves.push({
        label: `L${i} releases`,
        run: ({ store, key }) => store.release(key, tokenOf(i)),
        after: () => to(over),
      })
    }
  })
  state.writers.forEach(({ at, value }, i) => {
    const to = (one: Remover, rest: Partial<TagState>) => ({ ...state, ...rest, writers: put(state.writers, i, one) })
    if (at === 'start')
      moves.push({ label: `W${i} row ${row + 1}`, next: to({ at: 'removing', value: row + 1 }, { row: row + 1 }) })
    if (at === 'removing') {
      moves.push({
        label: `W${i} invalidates`,
        run: (slot) => slot.epochs().raise([TAG], 'hard'),
        after: () => to({ at: 'end', value: 0 }, { done: Math.max(done, value) }),
      })
    }
  })
  if (state.evictions > 0) {
    const evicted = { ...state, evictions: state.evictions - 1 }
    const held = { v, t, c }
    for (const what of ['v', 't', 'c'] as const) {
      if (held[what] !== null)
        moves.push({ label: `evicts ${what}`, run: (slot) => slot.del(what), after: () => evicted })
    }
  }
  return moves
}
