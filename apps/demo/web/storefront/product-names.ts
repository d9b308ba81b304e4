import { signal } from '@preact/signals'
import { get } from '../shared/http.js'
import type { Product } from './types.js'

const known = signal<ReadonlyMap<number, string>>(new Map())
const asked = new Set<number>()

/** What a product is called; its number until the shop has told. */
export function nameOf(id: number): string {
  return known.value.get(id) ?? `Product ${id}`
}

/** Asks for the names of those that nobody asked for yet. */
export function learnNames(ids: readonly number[]): void {
  for (const id of ids) {
    if (asked.has(id)) continue
    asked.add(id)
    get<Product>(`/products/${id}`).then(
      ({ value }) => {
        known.value = new Map(known.value).set(id, value.name)
      },
      () => asked.delete(id),
    )
  }
}
