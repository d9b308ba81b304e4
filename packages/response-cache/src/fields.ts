import { validateHeaderName, validateHeaderValue } from 'node:http'

/** Header fields by their names in lower case. */
export type Fields = Record<string, string | string[]>

/** Of one connection only, never of the message (RFC 9110 section 7.6.1, RFC 9111 section 3.1). */
const OF_THE_CONNECTION = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

/** The fields as text. */
export function toFields(raw: Readonly<Record<string, unknown>>): Fields {
  const fields: Fields = {}
  for (const [name, value] of Object.entries(raw)) {
    if (value === undefined) continue
    fields[name] = Array.isArray(value) ? value.map(String) : String(value)
  }
  return fields
}

/** The value of a field as one text: several are a list. */
export function textOf(value: string | readonly string[] | undefined): string | undefined {
  return value === undefined || typeof value === 'string' ? value : value.join(', ')
}

/** The members of a list of tokens, in lower case. */
export function listOf(value: string | readonly string[] | undefined): string[] {
  const text = textOf(value)
  if (text === undefined) return []
  return text
    .split(',')
    .map((member) => member.trim().toLowerCase())
    .filter((member) => member !== '')
}

/** The fields that are kept: without those of the connection, those named by it, and `Content-Length`, which the body tells. */
export function withoutConnection(fields: Fields): Fields {
  const kept = { ...fields }
  for (const name of listOf(fields.connection)) delete kept[name]
  for (const name of OF_THE_CONNECTION) delete kept[name]
  delete kept['content-length']
  return kept
}

/** What names, values and separators of the fields take, in bytes. */
export function sizeOf(fields: Fields): number {
  let size = 0
  for (const [name, value] of Object.entries(fields)) {
    for (const one of typeof value === 'string' ? [value] : value) size += name.length + one.length + 4
  }
  return size
}

/** Whether Node would send the fields. */
export function areValid(fields: Fields): boolean {
  try {
    for (const [name, value] of Object.entries(fields)) {
      validateHeaderName(name)
      for (const one of typeof value === 'string' ? [value] : value) validateHeaderValue(name, one)
    }
    return true
  } catch {
    return false
  }
}
