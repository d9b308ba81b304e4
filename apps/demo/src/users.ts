import { type Static, Type } from 'typebox'
import type { Queryable } from './database.js'
import { AMOUNTS } from './fake-data.js'
import { hashPassword, isPassword } from './password.js'

/** The password of every demo user. */
const DEMO_PASSWORD = 'larder'

/** What somebody says who logs in. */
export const Credentials = Type.Object(
  {
    email: Type.String({ format: 'email', maxLength: 254 }),
    password: Type.String({ minLength: 1, maxLength: 200 }),
  },
  { additionalProperties: false },
)
export type Credentials = Static<typeof Credentials>

/** Who may log in. A user is known everywhere by the e-mail address, in lower case. */
export class Users {
  readonly #database: Queryable

  constructor(database: Queryable) {
    this.#database = database
  }

  /** The user's id if that is the password. It takes as long whether there is such a user or not. */
  async authenticate({ email, password }: Credentials): Promise<string | undefined> {
    const id = userId(email)
    const { rows } = await this.#database.query<{ hash: string }>(
      'SELECT password_hash AS hash FROM shop.users WHERE email = $1',
      [id],
    )
    return (await isPassword(password, rows[0]?.hash)) ? id : undefined
  }
}

/** By what a user is known. */
export function userId(email: string): string {
  return email.toLowerCase()
}

/** Adds the demo users, `user1@example.com` and so on, to a database that has no users yet. */
export async function seedUsers(transaction: Queryable): Promise<void> {
  const { rows } = await transaction.query('SELECT 1 FROM shop.users LIMIT 1')
  if (rows.length > 0) return
  const emails = Array.from({ length: AMOUNTS.users }, (_, index) => `user${index + 1}@example.com`)
  const users = await Promise.all(
    emails.map(async (email) => ({ email, password_hash: await hashPassword(DEMO_PASSWORD) })),
  )
  await transaction.query(
    `INSERT INTO shop.users (email, password_hash)
     SELECT email, password_hash FROM jsonb_to_recordset($1::jsonb) AS row (email text, password_hash text)`,
    [JSON.stringify(users)],
  )
}
