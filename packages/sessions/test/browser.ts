import type { Opened } from './setup.js'

/** Whatever JSON came back: the tests compare it. */
export interface Json {
  readonly [name: string]: Json
}

/** What came back. */
export interface Answer {
  readonly status: number
  readonly body: Json
  readonly setCookie: string | undefined
  readonly headers: Headers
}

/** A client with one cookie, over real HTTP. */
export class Browser {
  cookie: string | undefined
  readonly #url: string

  constructor({ url }: Pick<Opened, 'url'>, cookie?: string) {
    this.#url = url
    this.cookie = cookie
  }

  /** Another one with the same cookie: who stole it, or a tab that does not hear of a new one. */
  copy(opened: Pick<Opened, 'url'> = { url: this.#url }): Browser {
    return new Browser(opened, this.cookie)
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.#send(path, { headers })
  }

  post(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    if (body === undefined) return this.#send(path, { method: 'POST', headers })
    const json = { 'content-type': 'application/json', ...headers }
    return this.#send(path, { method: 'POST', headers: json, body: JSON.stringify(body) })
  }

  async #send(
    path: string,
    init: { method?: string; headers: Record<string, string>; body?: string },
  ): Promise<Answer> {
    const headers = this.cookie === undefined ? init.headers : { ...init.headers, cookie: `sessionId=${this.cookie}` }
    const response = await fetch(this.#url + path, { ...init, headers })
    const [setCookie] = response.headers.getSetCookie()
    const value = setCookie && /^sessionId=([^;]*)/.exec(setCookie)?.[1]
    if (value !== undefined) this.cookie = value === '' ? undefined : decodeURIComponent(value)
    const text = await response.text()
    return { status: response.status, body: parse(text), setCookie, headers: response.headers }
  }
}

function parse(text: string): Json {
  try {
    return JSON.parse(text)
  } catch {
    return text as unknown as Json
  }
}

/** A browser that is logged in. */
export async function loggedIn(
  opened: Pick<Opened, 'url'>,
  user: string,
  headers: Record<string, string> = {},
): Promise<Browser> {
  const browser = new Browser(opened)
  await browser.post(`/login/${user}`, {}, headers)
  return browser
}
