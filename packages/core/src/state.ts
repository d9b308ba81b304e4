import type { Channel } from 'node:diagnostics_channel'
import { larderChannel } from './channels.js'

/** What a registration has at this moment, by name: entries, bytes, waiters. Names end in their unit where they have one. */
export interface State {
  /** The kind of plugin: `cache`, `locks`. */
  readonly plugin: string
  /** The registration. */
  readonly name: string
  /** What of it, where it has several: a route, a queue, a child namespace. */
  readonly part?: string
  readonly values: Readonly<Record<string, number>>
}

/** Who wants to know: published on `larder:state`, answered at once by every registration of the application. */
export interface StateRequest {
  /** The application: its `fastify.server`. */
  readonly app: object
  answer(state: State): void
}

/** Where numbers are asked for that nobody wants to be told of at each change. Nothing is computed unless somebody asks. */
export const stateChannel: Channel = larderChannel('state')

/**
 * Answers whoever asks for the state of the application, with one or one of each part; returns the end of it.
 *
 * @example const end = answerState(fastify.server, () => ({ plugin: 'cache', name, values: { entries: copies.entries } }))
 */
export function answerState(app: object, state: () => State | readonly State[]): () => void {
  const hear = (message: unknown): void => {
    const request = message as StateRequest
    if (request.app !== app) return
    for (const one of [state()].flat()) request.answer(one)
  }
  stateChannel.subscribe(hear)
  return () => stateChannel.unsubscribe(hear)
}

/** The states of all registrations of an application. */
export function askState(app: object): State[] {
  const states: State[] = []
  const request: StateRequest = { app, answer: (state) => states.push(state) }
  stateChannel.publish(request)
  return states
}
