import { type Channel, channel } from 'node:diagnostics_channel'

/** The diagnostics channel `larder:<noun>`. With no subscriber, publishing on it costs one property check. */
export function larderChannel(noun: string): Channel {
  return channel(`larder:${noun}`)
}

/** What is published on `larder:redis`. `client`: that of the user; {@link clientsOf} tells which an application uses. */
export type RedisEvent = { readonly client: object } & (
  | { readonly type: 'up' | 'down'; readonly reason: string }
  | { readonly type: 'command'; readonly milliseconds: number; readonly outcome: CommandOutcome }
)

/** How a command ended: `refused`: Redis said no; `timeout`: no answer by the deadline; `unavailable`: the connection broke. */
export type CommandOutcome = 'ok' | 'refused' | 'timeout' | 'unavailable'

/** What is published on `larder:feed`. `heard`: of so many keys, or of all. */
export type FeedEvent = { readonly client: object } & (
  | { readonly type: 'trusted' | 'distrusted' }
  | { readonly type: 'heard'; readonly keys: number | null }
)

/** What the connection to Redis does: {@link RedisEvent}. */
export const redisChannel: Channel = larderChannel('redis')

/** What the feed does: {@link FeedEvent}. */
export const feedChannel: Channel = larderChannel('feed')
