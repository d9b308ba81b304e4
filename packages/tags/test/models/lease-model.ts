import type { Store } from '../../../cache-aside/dist/store.js'
import type { Model, Move } from './explore.js'
import { entry, FOREIGN, type Held, idOf, LIMIT, LONG, put, ticketOf, tokenOf } from './slot.js'

// One key: loads, refreshes, deletions ours and foreign, write-throughs, evictions.

/** A call that loads or refreshes. */
interface Loader {
  readonly at: 'start' | 'reading' | 'storing' | 'failing' | 'end'
  readonly value: number
  /** Id of the entry that is refreshed. */
  readonly refreshes: number | undefined
}
/** A write-through. */
interface Writer {
  readonly at: 'start' | 'writing' | 'committing' | 'end'
  readonly value: number
}
/** A deletion, ours or foreign, or an expiry. */
export interface Remover {
  readonly at: 'start' | 'removing' | 'end'
  readonly value: number
}
/** What Redis holds, and how far everybody is. */
export interface LeaseState {
  readonly v: Held
  /** Who refreshes. */
  readonly l: number | null
  readonly row: number
  /** What counts: of what was done, the newest. */
  readonly done: number
  /** What counts of entries that were not expired since. */
  readonly fresh: number
  readonly ids: number
  readonly loaders: readonly Loader[]
  readonly removers: readonly Remover[]
  readonly foreign: readonly Remover[]
  readonly writers: readonly Writer[]
  readonly expirers: readonly Remover[]
  readonly evictions: number
}

/** How many of each there are. */
export interface LeaseSize {
  readonly loaders?: number
  readonly removers?: number
  readonly foreign?: number
  readonly writers?: number
  readonly expirers?: number
  readonly evictions?: number
}

/** Where a step is tried. */
export interface LeaseSlot {
  readonly store: Store
  readonly key: string
  /** Foreign clients and evictions: straight at the two keys. */
  readonly raw: { set(value: string): Promise<unknown>; del(what: 'v' | 'l'): Promise<unknown> }
}

/** One key, of this size. */
export function leaseModel(size: LeaseSize): Model<LeaseState, LeaseSlot> {
  const { loaders = 2, removers = 1, foreign = 1, writers = 1, expirers = 0, evictions = 1 } = size
  const many = <T>(count: number, one: T): T[] => new Array(count).fill(one)
  return {
    initial: {
      v: null,
      l: null,
      row: 0,
      done: 0,
      fresh: 0,
      ids: 0,
      loaders: many(loaders, { at: 'start', value: 0, refreshes: undefined }),
      removers: many(removers, { at: 'start', value: 0 }),
      foreign: many(foreign, { at: 'start', value: 0 }),
      writers: many(writers, { at: 'start', value: 0 }),
      expirers: many(expirers, { at: 'start', value: 0 }),
      evictions,
    },
    key: (state) => JSON.stringify(state),
    violation: ({ v, done, fresh }) => {
      if (v?.is !== 'entry') return undefined
      if (v.value < done) return `the slot holds ${v.value}, but ${done} counts`
      return v.value < fresh && !v.expired ? `${v.value} is fresh, but ${fresh} counts` : undefined
    },
    moves: leaseMoves,
  }
}

function leaseMoves(state: LeaseState): Move<LeaseState, LeaseSlot>[] {
  const { v, l, row, done, ids } = state
  const moves: Move<LeaseState, LeaseSlot>[] = []
  state.loaders.forEach((loader, i) => {
    const to = (one: Loader, rest: Partial<LeaseState> = {}) => ({
      ...state,
      ...rest,
      loaders: put(state.loaders, i, one),
    })
    const over: Loader = { at: 'end', value: 0, refreshes: undefined }
    if (loader.at === 'start' && v?.is === 'entry') {
      if (l !== null) return
      moves.push({
        label: `L${i} leases the refresh of ${v.value}`,
        run: ({ store, key }) => store.leaseRefresh(key, tokenOf(i), LIMIT, false),
        after: (granted) => (granted ? to({ at: 'reading', value: 0, refreshes: v.id }) : undefined),
      })
    } else if (loader.at === 'start') {
      moves.push({
        label: `L${i} leases`,
        run: ({ store, key }) => store.lease(key, tokenOf(i), LIMIT, undefined),
        after: (grant) =>
          (grant as { state: string }).state === 'granted'
            ? to({ at: 'reading', value: 0, refreshes: undefined })
            : undefined,
      })
    } else if (loader.at === 'reading') {
      moves.push({ label: `L${i} reads ${row}`, next: to({ ...loader, at: 'storing', value: row }) })
      moves.push({ label: `L${i} fails`, next: to({ ...loader, at: 'failing' }) })
    } else if (loader.at === 'failing') {
      moves.push({
        label: `L${i} releases`,
        run: ({ store, key }) => store.release(key, tokenOf(i)),
        after: () => to(over),
      })
    } else if (loader.at === 'storing') {
      const { refreshes, value } = loader
      moves.push({
        label: `L${i} stores ${value}`,
        run: ({ store, key }) =>
          store.fill(
            key,
            tokenOf(i),
            refreshes === undefined ? undefined : idOf(refreshes),
            entry(value, ids + 1, 1),
            LONG,
          ),
        after: (stored) => to(over, stored ? { ids: ids + 1 } : {}),
      })
    }
  })
  state.removers.forEach(({ at, value }, i) => {
    const to = (one: Remover, rest: Partial<LeaseState>) => ({
      ...state,
      ...rest,
      removers: put(state.removers, i, one),
    })
    if (at === 'start')
      moves.push({ label: `D${i} row ${row + 1}`, next: to({ at: 'removing', value: row + 1 }, { row: row + 1 }) })
    if (at === 'removing') {
      moves.push({
        label: `D${i} deletes`,
        run: ({ store, key }) => store.remove(key),
        after: () => to({ at: 'end', value: 0 }, { done: Math.max(done, value) }),
      })
    }
  })
  state.foreign.forEach(({ at, value }, i) => {
    const to = (one: Remover, rest: Partial<LeaseState>) => ({ ...state, ...rest, foreign: put(state.foreign, i, one) })
    if (at === 'start')
      moves.push({ label: `F${i} row ${row + 1}`, next: to({ at: 'removing', value: row + 1 }, { row: row + 1 }) })
    if (at === 'removing') {
      const over = to({ at: 'end', value: 0 }, { done: Math.max(done, value) })
      moves.push({ label: `F${i} DEL`, run: ({ raw }) => raw.del('v'), after: () => over })
      moves.push({ label: `F${i} SET`, run: ({ raw }) => raw.set(FOREIGN), after: () => over })
    }
  })
  state.writers.forEach(({ at, value }, i) => {
    const to = (one: Writer, rest: Partial<LeaseState> = {}) => ({
      ...state,
      ...rest,
      writers: put(state.writers, i, one),
    })
    if (at === 'start') {
      moves.push({
        label: `W${i} begins`,
        run: ({ store, key }) => store.put(key, ticketOf(i), LIMIT),
        after: () => to({ at: 'writing', value: 0 }),
      })
    }
    if (at === 'writing')
      moves.push({ label: `W${i} row ${row + 1}`, next: to({ at: 'committing', value: row + 1 }, { row: row + 1 }) })
    if (at === 'committing') {
      moves.push({
        label: `W${i} commits ${value}`,
        run: ({ store, key }) => store.commit(key, ticketOf(i), entry(value, ids + 1, 1), LONG),
        after: () => to({ at: 'end', value: 0 }, { done: Math.max(done, value), ids: ids + 1 }),
      })
    }
  })
  state.expirers.forEach(({ at, value }, i) => {
    const to = (one: Remover, rest: Partial<LeaseState>) => ({
      ...state,
      ...rest,
      expirers: put(state.expirers, i, one),
    })
    if (at === 'start')
      moves.push({ label: `X${i} row ${row + 1}`, next: to({ at: 'removing', value: row + 1 }, { row: row + 1 }) })
    if (at === 'removing') {
      moves.push({
        label: `X${i} expires`,
        run: ({ store, key }) => store.expire(key),
        after: () => to({ at: 'end', value: 0 }, { fresh: Math.max(state.fresh, value) }),
      })
    }
  })
  if (state.evictions > 0) {
    const evicted = { ...state, evictions: state.evictions - 1 }
    if (v !== null) moves.push({ label: 'evicts the entry', run: ({ raw }) => raw.del('v'), after: () => evicted })
    if (l !== null) moves.push({ label: 'evicts the lease', run: ({ raw }) => raw.del('l'), after: () => evicted })
  }
  return moves
}
