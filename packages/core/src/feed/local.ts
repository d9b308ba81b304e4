import type { Feed } from './feed.js'

/** The feed of a process that shares nothing: whoever changes something tells at once, so everything is always trusted. */
export const localFeed: Feed = {
  trustedUntil: Number.POSITIVE_INFINITY,
  connection: 0,
  channel: '',
  listen: () => () => {},
  settled: () => Promise.resolve(),
}
