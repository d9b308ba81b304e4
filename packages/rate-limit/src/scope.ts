import { createHash } from 'node:crypto'
import { logicalKey } from '@larder/core'
import type { Policy } from './algorithm.js'
import { SIGNS } from './redis-store.js'

/** Whose requests are counted together: those of one limiter. */
export interface Scope {
  /** Its part of the keys. */
  readonly key: string
  /** Its name in events. */
  readonly label: string
}

/** What a scope is made of. */
export type ScopeOf =
  | { readonly kind: 'global' }
  | { readonly kind: 'route'; readonly method: string | readonly string[]; readonly url: string }
  | { readonly kind: 'group'; readonly id: string }
  | { readonly kind: 'limiter'; readonly id: string }

/** @param prefix the path under which the plugin was registered: limits of other registrations are others */
export function scopeOf(of: ScopeOf, prefix = ''): Scope {
  switch (of.kind) {
    case 'global':
      return { key: logicalKey(['all', prefix]), label: 'global' }
    case 'group':
      return { key: logicalKey(['group', prefix, of.id]), label: `group ${of.id}` }
    case 'limiter':
      return { key: logicalKey(['limiter', prefix, of.id]), label: of.id }
    case 'route': {
      // HEAD answers from the route of GET, and must not be a second helping.
      const methods = [of.method].flat().map((method) => (method === 'HEAD' ? 'GET' : method))
      const method = [...new Set(methods)].sort().join('+')
      return { key: logicalKey(['route', prefix, method, of.url]), label: `${method} ${of.url}` }
    }
  }
}

/** The sign of how a key is counted: what was counted in another way, or by other policies, is nothing to go by. */
export function countedBy(policies: readonly Policy[]): string {
  const signs = policies.map(({ algorithm }) => SIGNS[algorithm]).join('')
  return policies.length === 1 ? signs : `${signs}${fingerprint(policies.map(({ name }) => name))}`
}

/** Eight characters that tell options apart; functions all count as one. */
export function fingerprint(value: unknown): string {
  const text = JSON.stringify(value, (_, item) => (typeof item === 'function' ? 'function' : item))
  return createHash('sha256').update(text).digest('base64url').slice(0, 8)
}

/** The key of a client under a scope, bounded in length: everything before it is free of `:` where it is not ours. */
export function keyOf(counted: string, scope: Scope, client: string): string {
  return logicalKey(`${counted}:${scope.key}:${client}`)
}
