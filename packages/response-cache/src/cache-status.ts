/** What happened, as `Cache-Status` tells it (RFC 9211 section 2). */
export interface Happened {
  readonly hit?: boolean
  /** Why the request went on to the handler. */
  readonly fwd?: 'bypass' | 'method' | 'uri-miss' | 'vary-miss' | 'miss' | 'request' | 'stale' | 'partial'
  /** What the handler answered, where the client got something else. */
  readonly fwdStatus?: number | undefined
  /** In milliseconds. */
  readonly ttl?: number | undefined
  readonly stored?: boolean
  readonly collapsed?: boolean
  readonly detail?: string | undefined
  readonly key?: string | undefined
}

/** The member of this cache for the field `Cache-Status`. */
export function cacheStatus(name: string, happened: Happened): string {
  let text = name
  if (happened.hit) text += '; hit'
  if (happened.fwd !== undefined) text += `; fwd=${happened.fwd}`
  if (happened.fwdStatus !== undefined) text += `; fwd-status=${happened.fwdStatus}`
  if (happened.ttl !== undefined) text += `; ttl=${Math.floor(happened.ttl / 1_000)}`
  if (happened.stored) text += '; stored'
  if (happened.collapsed) text += '; collapsed'
  if (happened.key !== undefined) text += `; key=${quote(happened.key)}`
  if (happened.detail !== undefined) text += `; detail=${happened.detail}`
  return text
}

/** A string of structured fields (RFC 9651 section 3.3.3), which is ASCII. */
function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&').replace(/[^\x20-\x7e]/g, '?')}"`
}
