import { signal } from '@preact/signals'
import { type How, readCacheStatus } from './served.js'

/** One request of the page, as it was served. */
export type Receipt = { id: number; method: string; path: string; status: number; how: How; milliseconds: number }

/** The page's last requests, newest first. */
export const receipts = signal<readonly Receipt[]>([])
const KEPT = 40
let count = 0

/** The shop refused, in its own words. */
export class Refusal extends Error {
  readonly status: number
  readonly code: string
  readonly headers: Headers

  constructor(status: number, { code, message }: { code: string; message: string }, headers: Headers) {
    super(message)
    this.status = status
    this.code = code
    this.headers = headers
  }
}

/** An answer: what it says, and how it was served. */
export type Answer<T> = { value: T; receipt: Receipt; headers: Headers }

/** Asks the shop, and notes how it was served. Throws a {@link Refusal}, or a `TypeError` when there is no shop. */
export async function ask<T>(method: string, path: string, options: AskOptions = {}): Promise<Answer<T>> {
  const { body, headers = {}, signal: cancel } = options
  const started = performance.now()
  const response = await fetch(path, {
    method,
    headers: {
      accept: 'application/json',
      ...headers,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(cancel ? { signal: cancel } : {}),
  })
  const text = await response.text()
  const timing = timingOf(response.url)
  const receipt = {
    id: ++count,
    method,
    path,
    status: response.status,
    how: cameFromBrowser(timing) ? ('browser' as const) : readCacheStatus(response.headers.get('cache-status')),
    // From the request's first byte to the answer's last: not what the page did meanwhile.
    milliseconds: timing?.requestStart ? timing.responseEnd - timing.requestStart : performance.now() - started,
  }
  receipts.value = [receipt, ...receipts.value].slice(0, KEPT)
  const value = text === '' ? null : JSON.parse(text)
  if (!response.ok)
    throw new Refusal(response.status, value ?? { code: '', message: response.statusText }, response.headers)
  return { value, receipt, headers: response.headers }
}

/** What may go with a request. */
export type AskOptions = { body?: unknown; headers?: Record<string, string>; signal?: AbortSignal }

/** Asks by GET. */
export function get<T>(path: string, signal?: AbortSignal): Promise<Answer<T>> {
  return ask<T>('GET', path, signal ? { signal } : {})
}

function timingOf(url: string): PerformanceResourceTiming | undefined {
  const last = performance.getEntriesByName(url, 'resource').at(-1)
  return last instanceof PerformanceResourceTiming ? last : undefined
}

/** An answer that took nothing off the wire came from the browser's own cache. */
function cameFromBrowser(timing: PerformanceResourceTiming | undefined): boolean {
  return timing !== undefined && timing.transferSize === 0 && timing.decodedBodySize > 0
}

performance.setResourceTimingBufferSize(500)
performance.addEventListener('resourcetimingbufferfull', () => performance.clearResourceTimings())
