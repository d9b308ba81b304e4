import { randomBytes } from 'node:crypto'

/**
 * What is published: `larder:<mark of the message before>:<own mark>:<JSON>`. Each message names the one before it on its topic, so
 * whoever heard that one has missed nothing. Marks are unique rather than numbers: a sequence that a failover or a flush set back
 * would give a number twice, and hide a loss.
 */
const PREFIX = 'larder:'

/** A message as it was published. */
export interface Envelope {
  /** Mark of the message before it, empty for the first one. */
  readonly before: string
  readonly mark: string
  /** JSON. */
  readonly text: string
}

/** Reads a message; `undefined` when somebody else published it. */
export function readEnvelope(raw: string): Envelope | undefined {
  if (!raw.startsWith(PREFIX)) return undefined
  const first = raw.indexOf(':', PREFIX.length)
  const second = first < 0 ? -1 : raw.indexOf(':', first + 1)
  if (second < 0) return undefined
  return { before: raw.slice(PREFIX.length, first), mark: raw.slice(first + 1, second), text: raw.slice(second + 1) }
}

/** Makes marks that nobody else makes. */
export class Marks {
  readonly #process = randomBytes(9).toString('base64url')
  #count = 0

  next(): string {
    return `${this.#process}.${(++this.#count).toString(36)}`
  }
}
