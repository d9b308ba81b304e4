/** An answer of the shop. */
export type Answer<Body> = { status: number; headers: Headers; body: Body }

/** A server-sent event. */
export type ShopEvent<Data> = { id: string | undefined; event: string | undefined; data: Data }

/** What every error looks like. */
export type Problem = { statusCode: number; code: string; error: string; message: string }

const ADMIN = { authorization: 'Bearer demo-admin' }
const JSON_BODY = { 'content-type': 'application/json' }

/** A browser that has logged in: what it sends along, to any process. */
export type Login = { readonly user: string; readonly cookie: string }

let users = 0
/** The demo users in turn, so that few checks share one; the last two are for those that want one to themselves. */
const nextUser = () => `user${(users++ % 18) + 1}@example.com`

/** Talks to one shop as a user would. */
export class ShopClient {
  readonly #address: string

  constructor(address: string) {
    this.#address = address
  }

  /** Logs in, as one demo user after the other. */
  async login(user: string = nextUser(), password = 'larder', headers: Record<string, string> = {}): Promise<Login> {
    const init = { headers: { ...JSON_BODY, ...headers }, body: JSON.stringify({ email: user, password }) }
    const answer = await this.#send<unknown>('POST', '/session', init)
    const [cookie = ''] = answer.headers.getSetCookie().map((one) => one.split(';', 1)[0] as string)
    if (cookie === '') throw new Error(`No login as ${user}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return { user, cookie }
  }

  /** Reads; as who has logged in. */
  get<Body>(path: string, as?: Login): Promise<Answer<Body>> {
    return this.#send<Body>('GET', path, { headers: cookieOf(as) })
  }

  /** Deletes, as who has logged in. */
  delete<Body>(path: string, as?: Login): Promise<Answer<Body>> {
    return this.#send<Body>('DELETE', path, { headers: cookieOf(as) })
  }

  /** Sends JSON as who has logged in. */
  put<Body>(path: string, body: unknown, as: Login): Promise<Answer<Body>> {
    return this.#send<Body>('PUT', path, { headers: { ...JSON_BODY, ...cookieOf(as) }, body: JSON.stringify(body) })
  }

  /** Buys as who has logged in. */
  order<Body>(items: object[], as: Login, key: string): Promise<Answer<Body>> {
    const headers = { ...JSON_BODY, ...cookieOf(as), 'idempotency-key': key }
    return this.#send<Body>('POST', '/orders', { headers, body: JSON.stringify({ items }) })
  }

  /** Sends JSON, or nothing, as the administrator. */
  change<Body>(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<Answer<Body>> {
    if (body === undefined) return this.#send<Body>(method, path, { headers: ADMIN })
    const headers = { ...ADMIN, ...JSON_BODY }
    return this.#send<Body>(method, path, { headers, body: JSON.stringify(body) })
  }

  /** Sends lines as the administrator. */
  import<Body>(lines: string[]): Promise<Answer<Body>> {
    const headers = { ...ADMIN, 'content-type': 'application/x-ndjson' }
    return this.#send<Body>('POST', '/products/import', { headers, body: lines.join('\n') })
  }

  /** Sends JSON as nobody. */
  async asStranger<Body>(method: string, path: string, body: unknown): Promise<Answer<Body>> {
    return this.#send<Body>(method, path, { headers: JSON_BODY, body: JSON.stringify(body) })
  }

  /** Listens to events, after the one of that id where given, until the last of them is `enough`. */
  async listen<Data>(
    path: string,
    enough: (events: readonly ShopEvent<Data>[]) => boolean | Promise<boolean>,
    after?: string,
  ): Promise<ShopEvent<Data>[]> {
    const stop = new AbortController()
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(10_000)])
    const answer = await fetch(this.#address + path, { signal, headers: after ? { 'last-event-id': after } : {} })
    const events: ShopEvent<Data>[] = []
    let text = ''
    for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) {
      const frames = (text + piece).split('\n\n')
      text = frames.pop() ?? ''
      for (const frame of frames) {
        const field = (name: string) => frame.match(new RegExp(`^${name}: (.*)$`, 'm'))?.[1]
        const [id, event, data] = [field('id'), field('event'), field('data')]
        if (data !== undefined) events.push({ id, event, data: JSON.parse(data) })
      }
      if (await enough(events)) break
    }
    stop.abort()
    return events
  }

  async #send<Body>(method: string, path: string, init: RequestInit): Promise<Answer<Body>> {
    const answer = await fetch(this.#address + path, { ...init, method, signal: AbortSignal.timeout(10_000) })
    const text = await answer.text()
    const json = answer.headers.get('content-type')?.startsWith('application/json')
    return { status: answer.status, headers: answer.headers, body: (json ? JSON.parse(text) : text) as Body }
  }
}

function cookieOf(as: Login | undefined): Record<string, string> {
  return as === undefined ? {} : { cookie: as.cookie }
}
