import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'
import type { Fields, SessionKey } from './store.js'

/** Turns what lies at rest into what is read, and back. `place` binds a value to its session and field. */
export interface Sealer {
  seal(text: string, key: SessionKey, field: string): string
  /** `undefined` for a value that it cannot vouch for. */
  open(stored: string, key: SessionKey, field: string): string | undefined
}

/** Values as they are. */
export const plain: Sealer = {
  seal: (text) => text,
  open: (stored) => stored,
}

const MARK = '~'
const NONCE = 12
const TAG = 16
const ID = 4

/**
 * AES-256-GCM (NIST SP 800-38D). The first key seals, all of them open: put a new key in front, drop the old one when the
 * sessions of its time are over. A value is bound to its session and field, so that values cannot be swapped.
 */
export class Aes implements Sealer {
  readonly #first: { id: string; key: Buffer }
  readonly #keys = new Map<string, Buffer>()
  readonly #allowPlain: boolean

  /** @param allowPlain opens also what was stored before there was encryption */
  constructor(secrets: readonly [Buffer | string, ...(Buffer | string)[]], allowPlain: boolean) {
    const keys = secrets.map(deriveKey)
    for (const { id, key } of keys) this.#keys.set(id, key)
    this.#first = keys[0] as { id: string; key: Buffer }
    this.#allowPlain = allowPlain
  }

  seal(text: string, key: SessionKey, field: string): string {
    const nonce = randomBytes(NONCE)
    const cipher = createCipheriv('aes-256-gcm', this.#first.key, nonce)
    cipher.setAAD(Buffer.from(`${key} ${field}`))
    const sealed = Buffer.concat([
      Buffer.from(this.#first.id, 'hex'),
      nonce,
      cipher.update(text, 'utf8'),
      cipher.final(),
      cipher.getAuthTag(),
    ])
    return MARK + sealed.toString('base64url')
  }

  open(stored: string, key: SessionKey, field: string): string | undefined {
    // JSON never begins with it.
    if (!stored.startsWith(MARK)) return this.#allowPlain ? stored : undefined
    const bytes = Buffer.from(stored.slice(1), 'base64url')
    const secret = this.#keys.get(bytes.toString('hex', 0, ID))
    if (!secret || bytes.length < ID + NONCE + TAG) return undefined
    const decipher = createDecipheriv('aes-256-gcm', secret, bytes.subarray(ID, ID + NONCE), { authTagLength: TAG })
    decipher.setAAD(Buffer.from(`${key} ${field}`))
    decipher.setAuthTag(bytes.subarray(-TAG))
    try {
      return decipher.update(bytes.subarray(ID + NONCE, -TAG), undefined, 'utf8') + decipher.final('utf8')
    } catch {
      return undefined
    }
  }
}

function deriveKey(secret: Buffer | string): { id: string; key: Buffer } {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'larder sessions at rest', 32))
  return {
    id: createHash('sha256')
      .update(key)
      .digest('hex')
      .slice(0, ID * 2),
    key,
  }
}

/** Fields as they are stored. */
export function sealFields(sealer: Sealer, key: SessionKey, data: Fields): Fields {
  if (sealer === plain) return data
  return new Map([...data].map(([name, json]) => [name, sealer.seal(json, key, `.${name}`)]))
}

/** Fields as they were sealed; `undefined` when one of them cannot be vouched for. */
export function openFields(sealer: Sealer, key: SessionKey, data: Fields): Fields | undefined {
  if (sealer === plain) return data
  const open = new Map<string, string>()
  for (const [name, stored] of data) {
    const json = sealer.open(stored, key, `.${name}`)
    if (json === undefined) return undefined
    open.set(name, json)
  }
  return open
}
