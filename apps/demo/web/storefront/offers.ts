const names = new Set(document.documentElement.dataset.offers?.split(' '))

/** Whether this shop tells of orders as they are sold, or counts how often products are looked at. */
export function offers(what: 'orders' | 'views'): boolean {
  return names.has(what)
}
