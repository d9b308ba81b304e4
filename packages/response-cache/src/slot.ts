import { createHash } from 'node:crypto'

/** Where the responses of a URI are looked for, or the one, if it does not vary. A user's own are kept apart. */
export function primaryKey(url: string, user?: string | number): string {
  return user === undefined ? `G${url}` : `P${encodeURIComponent(user)} ${url}`
}

/** How many places a response that varies may have. */
export const CHOICES = 2

/**
 * One of the places for a response of a URI that varies. There are so many places and no more, so that nobody fills the store with
 * variants; who finds both of his taken goes without (two choices: Azar, Broder, Karlin, Upfal, "Balanced Allocations", STOC 1994).
 *
 * @param id of the index, so that its deletion makes all of its variants unreachable
 */
export function slotKey(primary: string, id: string, selection: string, choice: number, places: number): string {
  const hash = createHash('sha256').update(`${choice} ${selection}`).digest()
  return `V${id} ${hash.readUInt32BE(0) % places} ${primary}`
}
