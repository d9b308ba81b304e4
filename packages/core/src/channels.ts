import { type Channel, channel } from 'node:diagnostics_channel'

/** The diagnostics channel `larder:<noun>`. With no subscriber, publishing on it costs one property check. */
export function larderChannel(noun: string): Channel {
  return channel(`larder:${noun}`)
}

/** What the connection to Redis does: `{ type: 'up' | 'down', reason? }`. */
export const redisChannel: Channel = larderChannel('redis')

/** What the feed does: `{ type: 'trusted' | 'distrusted' | 'heard', … }`. */
export const feedChannel: Channel = larderChannel('feed')
