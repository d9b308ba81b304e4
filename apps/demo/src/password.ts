import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'

const SALT_LENGTH = 16
const HASH_LENGTH = 32

/** How dear a guess is: OWASP's Password Storage Cheat Sheet has these for scrypt. 16 MiB and about 0.2 s. */
const COST = { ln: 14, r: 8, p: 5 }

const STORED = /^\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/

/**
 * What to keep of a password: its scrypt hash (RFC 7914) with salt and cost, in the PHC string format.
 *
 * @param cost - the binary logarithm of N, r and p; tests that are not about passwords take a low one
 */
export async function hashPassword(password: string, cost: typeof COST = COST): Promise<string> {
  const salt = randomBytes(SALT_LENGTH)
  const { ln, r, p } = cost
  const hash = await derive(password, salt, HASH_LENGTH, { N: 2 ** ln, r, p })
  return `$scrypt$ln=${ln},r=${r},p=${p}$${encode(salt)}$${encode(hash)}`
}

/** Whether it is the password that was hashed. Takes as long for a wrong one; for nobody's (`undefined`) too, and is then false. */
export async function isPassword(password: string, stored: string | undefined): Promise<boolean> {
  const [, ln, r, p, salt = '', hash = ''] = STORED.exec(stored ?? NOBODY) ?? []
  if (hash === '') throw new Error('What is kept is no hash of a password')
  const expected = Buffer.from(hash, 'base64')
  const options = { N: 2 ** Number(ln), r: Number(r), p: Number(p) }
  const given = await derive(password, Buffer.from(salt, 'base64'), expected.length, options)
  return timingSafeEqual(given, expected) && stored !== undefined
}

const NOBODY = `$scrypt$ln=${COST.ln},r=${COST.r},p=${COST.p}$${encode(Buffer.alloc(SALT_LENGTH))}$${encode(Buffer.alloc(HASH_LENGTH))}`

function derive(password: string, salt: Buffer, length: number, options: ScryptOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, length, options, (error, hash) => (error ? reject(error) : resolve(hash)))
  })
}

/** Base64 without padding. */
function encode(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
