/** What the test's process sends to a worker. */
export type Request = { kind: 'call'; id: number; method: string; args: unknown[] } | { kind: 'stop' }

/** What a worker sends to the test's process. */
export type Response =
  | { kind: 'ready' }
  | { kind: 'value'; id: number; value: unknown }
  | { kind: 'error'; id: number; error: PlainError }
  | { kind: 'event'; name: string; value: unknown }
  | { kind: 'crash'; error: PlainError }

/** An error as it crosses the channel: structured clone drops its name, code and class. */
export type PlainError = {
  name: string
  message: string
  stack: string
  fields: Record<string, unknown>
  cause?: unknown
}

/** Makes an error ready for the channel. */
export function toPlain(error: unknown): PlainError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), stack: '', fields: {} }
  const fields: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(error)) {
    if (['string', 'number', 'boolean'].includes(typeof value)) fields[key] = value
  }
  const plain: PlainError = { name: error.name, message: error.message, stack: error.stack ?? '', fields }
  if (error.cause !== undefined) plain.cause = toPlain(error.cause)
  return plain
}

/** Makes an error again, with name, message, stack, cause, and fields such as `code`. */
export function fromPlain({ name, message, stack, fields, cause }: PlainError): Error {
  const error = new Error(message, cause === undefined ? {} : { cause: fromPlain(cause as PlainError) })
  Object.defineProperty(error, 'name', { value: name, configurable: true })
  if (stack) error.stack = stack
  return Object.assign(error, fields)
}
