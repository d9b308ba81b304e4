import type { Reply } from '@larder/core'
import { Parcel } from './parcel.js'
import type { Entry } from './store.js'

/** Name of the field of an entry that its payload is in, as JSON. */
export const PAYLOAD = 'payload'
/** Names of fields of an entry that was added again for one group: the group, and the id that the entry had. */
export const FOR = 'for'
export const OF = 'of'

/** An entry as it is stored. */
export function toEntry(id: string, fields: readonly string[]): Entry {
  const text = fieldOf(fields, PAYLOAD)
  const raw = text ?? JSON.stringify(fields)
  return { id, fields, parcel: new Parcel(raw, text, `it has no field \`${PAYLOAD}\``, fieldOf(fields, OF) ?? id) }
}

/** The value of a field. */
export function fieldOf(fields: readonly string[], name: string): string | undefined {
  for (let i = 0; i + 1 < fields.length; i += 2) if (fields[i] === name) return fields[i + 1]
  return undefined
}

/** Entries as XRANGE answers them. Trimmed ones, which some commands answer as nothing, are left out. */
export function readEntries(reply: Reply | unknown): Entry[] {
  if (!Array.isArray(reply)) return []
  return reply.flatMap((entry: unknown) => {
    if (!Array.isArray(entry) || !Array.isArray(entry[1])) return []
    return [toEntry(String(entry[0]), entry[1].map(String))]
  })
}
