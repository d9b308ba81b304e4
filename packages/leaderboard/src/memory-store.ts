import { type Entry, RankedList } from './ranked-list.js'
import type { Standing } from './standings.js'
import type { BoardStore, Change, Place } from './store.js'

/** The scores of one board and window. */
interface Scores {
  readonly list: RankedList
  readonly entries: Map<string, Entry>
  readonly expires: number
  changes: number
}

const spaces = new WeakMap<object, Map<string, Map<string, Scores>>>()

/** Leaderboards in the memory of this process, shared by all registrations of one application with the same namespace. */
export class MemoryStore implements BoardStore {
  readonly now: () => number
  readonly #boards: Map<string, Scores>

  /** @param owner what the registrations share, such as `fastify.server` */
  constructor(owner: object, namespace: string, now: () => number = Date.now) {
    this.now = now
    const known = spaces.get(owner) ?? new Map<string, Map<string, Scores>>()
    spaces.set(owner, known)
    this.#boards = known.get(namespace) ?? new Map()
    known.set(namespace, this.#boards)
  }

  async change(place: Place, { member, how, amount }: Change): Promise<number | undefined> {
    const scores = this.#open(place)
    const held = scores.entries.get(member)
    const score = how === 'by' ? (held?.score ?? 0) + amount : amount
    if (!Number.isFinite(score)) return undefined
    if (held !== undefined && !changes(held.score, score, how)) return held.score
    if (held !== undefined) scores.list.delete(held)
    const order = place.tie === 'first' ? ++scores.changes : -++scores.changes
    const entry: Entry = { member, score, order }
    scores.list.add(entry)
    scores.entries.set(member, entry)
    return score
  }

  async remove(place: Place, member: string): Promise<boolean> {
    const scores = this.#find(place)
    const held = scores?.entries.get(member)
    if (scores === undefined || held === undefined) return false
    scores.list.delete(held)
    return scores.entries.delete(member)
  }

  async clear(place: Place): Promise<undefined> {
    this.#boards.delete(keyOf(place))
  }

  async top(place: Place, offset: number, count: number): Promise<Standing[]> {
    return standings(this.#find(place), offset, count)
  }

  async rank(place: Place, member: string): Promise<Standing | undefined> {
    const scores = this.#find(place)
    const held = scores?.entries.get(member)
    return scores && held && { member, score: held.score, rank: scores.list.indexOf(held) + 1 }
  }

  async around(place: Place, member: string, each: number): Promise<Standing[]> {
    const scores = this.#find(place)
    const held = scores?.entries.get(member)
    if (scores === undefined || held === undefined) return []
    const index = scores.list.indexOf(held)
    const start = Math.max(0, index - each)
    return standings(scores, start, index + each + 1 - start)
  }

  async count(place: Place): Promise<number> {
    return this.#find(place)?.entries.size ?? 0
  }

  close(): void {}

  #find(place: Place): Scores | undefined {
    const scores = this.#boards.get(keyOf(place))
    return scores && scores.expires > this.now() ? scores : undefined
  }

  #open(place: Place): Scores {
    const found = this.#find(place)
    if (found) return found
    const now = this.now()
    for (const [key, { expires }] of this.#boards) if (expires <= now) this.#boards.delete(key)
    const expires = place.period?.expires ?? Number.POSITIVE_INFINITY
    const scores: Scores = { list: new RankedList(), entries: new Map(), expires, changes: 0 }
    this.#boards.set(keyOf(place), scores)
    return scores
  }
}

function keyOf({ name, key }: Place): string {
  return `{${name}}:${key}`
}

function changes(held: number, score: number, how: Change['how']): boolean {
  if (how === 'higher') return score > held
  return how === 'lower' ? score < held : score !== held
}

function standings(scores: Scores | undefined, start: number, count: number): Standing[] {
  const entries = scores?.list.slice(start, count) ?? []
  return entries.map(({ member, score }, i) => ({ member, score, rank: start + i + 1 }))
}
