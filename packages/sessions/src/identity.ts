import { hash, randomBytes } from 'node:crypto'
import type { SessionKey } from './store.js'

/** 256 random bits: nobody guesses a session (OWASP asks for 64 of entropy). */
export function newId(): string {
  return randomBytes(32).toString('base64url')
}

/** What a session is kept under, so that who reads the store cannot use what he finds as a cookie. */
export function keyOf(id: string): SessionKey {
  return hash('sha256', id, 'base64url')
}

/** What users see of a session: tells sessions apart, and neither the id nor the key can be had from it. */
export function handleOf(key: SessionKey): string {
  return hash('sha256', `larder:session-handle:${key}`, 'base64url').slice(0, 22)
}
