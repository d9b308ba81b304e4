import type { Readable } from 'node:stream'

/** Characters that a line may have. */
export const MAX_LINE = 64 * 1024

/**
 * The lines of a text, one after the other as they come in; `undefined` for one that is longer than {@link MAX_LINE}, of which no
 * more than that is ever held. (`split2` drops such a line without a trace, so that the lines after it are miscounted.)
 */
export async function* readLines(body: Readable): AsyncGenerator<string | undefined> {
  body.setEncoding('utf8')
  let rest = ''
  let long = false
  for await (const chunk of body) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      yield long || line.length > MAX_LINE ? undefined : line
      long = false
    }
    if (rest.length <= MAX_LINE) continue
    rest = ''
    long = true
  }
  if (long || rest !== '') yield long ? undefined : rest
}
