import type { Channel } from 'node:diagnostics_channel'
import { larderChannel } from '@larder/core'
import type { Book } from './book.js'

/** Turns the events of one kind of plugin into numbers. */
export interface Recorder {
  /** Makes the series of a registration, and of a part of it, before anything happens. */
  open?(name: string, part?: string): void
  /** Stops listening. */
  close(): void
}

/** Hears the events of `larder:<noun>` that are this application's; returns the end of it. */
export function hear<Event extends { app?: object | undefined }>(
  book: Book,
  noun: string,
  on: (event: Event) => void,
): () => void {
  const { app } = book
  return subscribe(larderChannel(noun), (message) => {
    const event = message as Event
    if (event.app === app) on(event)
  })
}

/** Hears everything on a channel; returns the end of it. */
export function subscribe(channel: Channel, on: (message: unknown) => void): () => void {
  channel.subscribe(on)
  return () => channel.unsubscribe(on)
}
