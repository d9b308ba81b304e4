import type { ResponseRouteOptions } from '@larder/response-cache'
import { listTags } from './catalogue.js'
import type { ProductQuery } from './product.js'

/** How answers that list products are kept: for all who ask, since nothing in them depends on who does. */
export const CACHED_LIST: ResponseRouteOptions = {
  cookies: 'ignore',
  tags: (request) => listTags((request.query as Partial<ProductQuery>).category),
}

/** This cache keeps a list for so many seconds; browsers ask each time, and get 304 while it is the same. */
export function listFields(seconds: number): Record<string, string> {
  return {
    'cdn-cache-control': `public, max-age=${seconds}, stale-while-revalidate=30, stale-if-error=3600`,
    'cache-control': 'no-cache',
  }
}
