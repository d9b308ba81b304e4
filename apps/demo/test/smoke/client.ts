/** An answer of the shop. */
export type Answer<Body> = { status: number; headers: Headers; body: Body }

/** What every error looks like. */
export type Problem = { statusCode: number; code: string; error: string; message: string }

const ADMIN = { authorization: 'Bearer demo-admin' }

/** Talks to one shop as a user would. */
export class ShopClient {
  readonly #address: string

  constructor(address: string) {
    this.#address = address
  }

  /** Reads; as `user` where given. */
  get<Body>(path: string, user?: string): Promise<Answer<Body>> {
    return this.#send<Body>('GET', path, { ...(user && { headers: { 'x-demo-user': user } }) })
  }

  /** Sends JSON as `user`. */
  put<Body>(path: string, body: unknown, user: string): Promise<Answer<Body>> {
    const headers = { 'content-type': 'application/json', 'x-demo-user': user }
    return this.#send<Body>('PUT', path, { headers, body: JSON.stringify(body) })
  }

  /** Buys as `user`. */
  order<Body>(items: object[], user: string, key: string): Promise<Answer<Body>> {
    const headers = { 'content-type': 'application/json', 'x-demo-user': user, 'idempotency-key': key }
    return this.#send<Body>('POST', '/orders', { headers, body: JSON.stringify({ items }) })
  }

  /** Sends JSON, or nothing, as the administrator. */
  change<Body>(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<Answer<Body>> {
    if (body === undefined) return this.#send<Body>(method, path, { headers: ADMIN })
    const headers = { ...ADMIN, 'content-type': 'application/json' }
    return this.#send<Body>(method, path, { headers, body: JSON.stringify(body) })
  }

  /** Sends lines as the administrator. */
  import<Body>(lines: string[]): Promise<Answer<Body>> {
    const headers = { ...ADMIN, 'content-type': 'application/x-ndjson' }
    return this.#send<Body>('POST', '/products/import', { headers, body: lines.join('\n') })
  }

  /** Sends JSON as nobody. */
  async asStranger<Body>(method: string, path: string, body: unknown): Promise<Answer<Body>> {
    const headers = { 'content-type': 'application/json' }
    return this.#send<Body>(method, path, { headers, body: JSON.stringify(body) })
  }

  async #send<Body>(method: string, path: string, init: RequestInit): Promise<Answer<Body>> {
    const answer = await fetch(this.#address + path, { ...init, method, signal: AbortSignal.timeout(10_000) })
    const text = await answer.text()
    const json = answer.headers.get('content-type')?.startsWith('application/json')
    return { status: answer.status, headers: answer.headers, body: (json ? JSON.parse(text) : text) as Body }
  }
}
