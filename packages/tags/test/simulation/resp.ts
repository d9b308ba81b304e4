/*
 * Where values of RESP2 begin and end (https://redis.io/docs/latest/develop/reference/protocol-spec/): commands and replies are carried
 * whole, never in parts.
 */

const CR = 13

/** Where the value that begins at `start` ends; `undefined` when it is not complete. */
function endOf(bytes: Buffer, start: number): number | undefined {
  const line = bytes.indexOf(CR, start)
  if (line === -1 || line + 2 > bytes.length) return undefined
  const kind = String.fromCharCode(bytes[start] as number)
  if (kind !== '$' && kind !== '*') return line + 2
  const count = Number(bytes.toString('latin1', start + 1, line))
  if (kind === '$') {
    const end = count < 0 ? line + 2 : line + 2 + count + 2
    return end <= bytes.length ? end : undefined
  }
  let end: number | undefined = line + 2
  for (let i = 0; i < count && end !== undefined; i++) end = endOf(bytes, end)
  return end
}

/** Cuts a stream of bytes into values. */
export class Values {
  #rest: Buffer = Buffer.alloc(0)

  /** The values that are complete with these bytes. */
  take(bytes: Buffer): Buffer[] {
    this.#rest = Buffer.concat([this.#rest, bytes])
    const values: Buffer[] = []
    for (let end = this.#next(); end !== undefined; end = this.#next()) {
      values.push(this.#rest.subarray(0, end))
      this.#rest = this.#rest.subarray(end)
    }
    return values
  }

  #next(): number | undefined {
    return this.#rest.length > 0 ? endOf(this.#rest, 0) : undefined
  }
}

/** A command as it is sent. */
export function command(...words: string[]): Buffer {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)
  return Buffer.from(`*${words.length}\r\n${parts.join('')}`)
}

/** The words of a command, or the strings of a reply. */
export function wordsOf(value: Buffer): string[] {
  return value
    .toString('latin1')
    .split('\r\n')
    .filter((_, i) => i > 0 && i % 2 === 0)
}
