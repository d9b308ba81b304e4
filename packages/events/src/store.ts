import type { Parcel } from './parcel.js'

/** Who hears a topic. */
export interface TopicListener {
  /** A message. `gap`: before it, messages may be missing. */
  heard(parcel: Parcel, gap: boolean): void
  /** Messages may be missing, and none has come since. */
  missed(): void
  /** The topic is heard from now on. */
  armed(): void
}

/** An entry of a stream. */
export interface Entry {
  readonly id: string
  /** Names and values in turn, as they are stored. */
  readonly fields: readonly string[]
  readonly parcel: Parcel
}

/** What follows a place in a stream. */
export interface Page {
  readonly entries: readonly Entry[]
  /** Whether nothing is missing between that place and the first of them. */
  readonly intact: boolean
  /** Where to read on: the last of the entries, or a place before when the stream ends earlier than it did. */
  readonly position: string
}

/** Who hears of new entries. */
export interface TailListener {
  /** `intact`: nothing is missing between these and the ones told before. */
  added(entries: readonly Entry[], intact: boolean): void
  /** The stream is not what it was: it ends earlier now. */
  rewound(newest: string): void
}

/** An entry that a group's consumer was given. */
export interface Delivery {
  readonly entry: Entry
  /** How often it was given to somebody, this time included. */
  readonly attempt: number
}

/** What a consumer was given, and how many entries were trimmed before anybody of its group had them. */
export interface Harvest {
  readonly deliveries: readonly Delivery[]
  readonly missed: number
}

/** Who has an entry: still this consumer; another one; nobody, since it was trimmed or acknowledged. */
export type Ownership = 'ours' | 'stolen' | 'gone'

/** A failed entry, as it is kept. */
export interface Grave {
  /** Of the dead letter. */
  readonly id: string
  /** Names and values in turn: see {@link HEADER}, then those of the entry. */
  readonly fields: readonly string[]
}

/** What is kept of a failed entry, in this order, before its own fields. */
export const HEADER = ['id', 'attempts', 'at', 'reason'] as const

/** A consumer of a group, as the store knows it. */
export interface Member {
  /** Makes the group where there is none. `from`: the id after which it begins. */
  join(from: string | 'now'): Promise<void>
  /** New entries; waits a while for some. */
  take(count: number): Promise<Harvest>
  /** What this consumer was given and never heard of. */
  recover(): Promise<Harvest>
  /** What consumers that have been silent for `idle` milliseconds hold. */
  claim(idle: number, count: number): Promise<Harvest>
  /** Says of each whether it is still this consumer's, and that it lives. */
  hold(ids: readonly string[]): Promise<Ownership[]>
  /** As {@link hold}, and counts an attempt. */
  retake(id: string, attempt: number): Promise<Ownership>
  acknowledge(id: string): Promise<void>
  /** Acknowledges an entry and keeps it as a dead letter, both or none; nothing when it is another consumer's. */
  bury(entry: Entry, fields: readonly string[], limit: number): Promise<void>
  /** Lets others have at once what this consumer holds. `tried`: ids of entries whose handlers were called. */
  leave(tried: readonly string[]): Promise<void>
  /** Ends waiting, soon; nothing is given to this consumer any more. */
  interrupt(): void
  /** Ends the connection. */
  close(): void
}

/** Dead letters of a group. */
export interface Graveyard {
  list(after: string, count: number): Promise<Grave[]>
  /** Adds their entries again, for this group only; how many there were. */
  replay(ids: readonly string[], maxLength: number): Promise<number>
  discard(ids: readonly string[]): Promise<number>
  count(): Promise<number>
}

/** Where events go: Redis, or the memory of this process. Names are logical keys. */
export interface EventStore {
  /** Resolves with how many processes were told. */
  publish(topic: string, text: string): Promise<number>
  /** Hears a topic; returns the end of it. */
  subscribe(topic: string, listener: TopicListener): () => void
  /** Resolves with the entry's id. */
  add(stream: string, text: string, maxLength: number): Promise<string>
  /** At most `count` entries after a place. */
  page(stream: string, after: string, count: number): Promise<Page>
  /** The id of the newest entry, or {@link START}. */
  newest(stream: string): Promise<string>
  /** Hears of entries after a place; returns the end of it. */
  follow(stream: string, after: string, listener: TailListener): () => void
  member(stream: string, group: string): Member
  graveyard(stream: string, group: string): Graveyard
  settled(): Promise<void>
  close(): void
}
