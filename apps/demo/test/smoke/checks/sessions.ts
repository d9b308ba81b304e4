import { deepEqual, equal, match, notEqual, ok } from 'node:assert/strict'
import type { Cart, Order } from '@larder/demo'
import { type Check, emptyHanded, isProblem, makeProduct, soon, unique } from '../check.js'
import type { Problem, ShopClient } from '../client.js'

type Device = { id: string; createdAt: string; ip: string; userAgent: string; current: boolean }

const devices = async (shop: ShopClient, login: Parameters<ShopClient['get']>[1]) =>
  (await shop.get<{ items: Device[] }>('/sessions', login)).body.items

/** To log in and out, and where one is. */
export const sessionChecks: readonly Check[] = [
  {
    route: 'POST /session',
    sees: 'a login that every process knows, by a cookie that no script reads',
    run: async ({ a, b }) => {
      const credentials = { email: 'User20@Example.com', password: 'larder' }
      const { status, headers, body } = await a.asStranger('POST', '/session', credentials)
      equal(status, 201)
      deepEqual(body, { userId: 'user20@example.com', email: 'user20@example.com' })
      match(headers.getSetCookie().join(), /^sessionId=[\w-]{43}\.[^;]+; Path=\/; HttpOnly; SameSite=Lax$/)
      const login = await a.login('user20@example.com')
      for (const shop of [a, b]) deepEqual((await shop.get('/session', login)).body, body)
    },
  },
  {
    route: 'POST /session',
    sees: 'a wrong password or user refused alike, and which field is missing',
    run: async ({ a }) => {
      const attempts = [
        { email: 'user20@example.com', password: 'Larder' },
        { email: 'nobody@example.com', password: 'larder' },
      ]
      for (const attempt of attempts) {
        const { status, headers, body } = await a.asStranger<Problem>('POST', '/session', attempt)
        equal(status, 401)
        deepEqual(headers.getSetCookie(), [])
        isProblem(body, 401, /^The e-mail or the password is wrong$/)
      }
      const wrong = { email: 'user20', password: '' }
      for (const [field, value] of Object.entries(wrong)) {
        const credentials = { email: 'user20@example.com', password: 'larder', [field]: value }
        isProblem((await a.asStranger<Problem>('POST', '/session', credentials)).body, 400, new RegExp(field))
      }
    },
  },
  {
    route: 'POST /session',
    sees: 'guesses refused after some, the others let in',
    run: async ({ a, b }) => {
      const guess = { email: `${unique('guessed')}@example.com`, password: 'secret' }
      const burst = Array.from({ length: 20 }, (_, i) => (i % 2 ? a : b).asStranger<Problem>('POST', '/session', guess))
      const statuses = (await Promise.all(burst)).map(({ status }) => status)
      const guessed = statuses.filter((status) => status === 401).length
      ok(guessed >= 10 && guessed < 14, `${guessed} guesses were looked at`)
      equal(statuses.filter((status) => status === 429).length, 20 - guessed)
      const { headers, body } = await b.asStranger<Problem>('POST', '/session', guess)
      isProblem(body, 429, /wrong passwords/)
      ok(Number(headers.get('retry-after')) > 0)
      await a.login()
    },
  },
  {
    route: 'GET /session',
    sees: 'who one is, and strangers and forgers sent away',
    run: async ({ a, b }) => {
      const login = await a.login()
      equal((await b.get<{ userId: string }>('/session', login)).body.userId, login.user)
      const forged = `${login.cookie.slice(0, -1)}${login.cookie.endsWith('A') ? 'B' : 'A'}`
      for (const as of [undefined, { ...login, cookie: forged }, { ...login, cookie: 'sessionId=1.2' }]) {
        const { status, headers, body } = await b.get<Problem>('/session', as)
        equal(status, 401)
        isProblem(body, 401, /Log in/)
        match(headers.get('www-authenticate') ?? '', /^Cookie/)
      }
    },
  },
  {
    route: 'DELETE /session',
    sees: 'the login gone in every process',
    run: async ({ a, b }) => {
      const login = await a.login()
      equal((await b.get('/session', login)).status, 200)
      const { status, headers } = await b.delete('/session', login)
      equal(status, 204)
      match(headers.getSetCookie().join(), /^sessionId=;/)
      for (const shop of [a, b]) equal((await shop.get('/session', login)).status, 401)
      equal((await a.delete('/session', login)).status, 204)
    },
  },
  {
    route: 'GET /sessions',
    sees: 'where one is logged in, and no one else',
    run: async ({ a, b }) => {
      const phone = await a.login(undefined, undefined, { 'user-agent': 'phone' })
      const laptop = await b.login(phone.user, undefined, { 'user-agent': 'laptop' })
      const other = await a.login()
      const items = await devices(b, laptop)
      const mine = items.filter(({ userAgent }) => userAgent === 'phone' || userAgent === 'laptop').slice(-2)
      deepEqual(
        mine.map(({ userAgent, ip, current }) => [userAgent, ip, current]),
        [
          ['phone', '127.0.0.1', false],
          ['laptop', '127.0.0.1', true],
        ],
      )
      equal(items.filter(({ current }) => current).length, 1)
      for (const { id } of await devices(a, other)) ok(items.every((item) => item.id !== id))
      equal((await a.get('/sessions')).status, 401)
    },
  },
  {
    route: 'DELETE /sessions/:id',
    sees: 'one device logged out, and no one else’s',
    run: async ({ a, b }) => {
      const [phone, other] = [await a.login(), await b.login()]
      const laptop = await b.login(phone.user)
      const id = (await devices(a, phone)).find(({ current }) => current)?.id
      equal((await b.delete(`/sessions/${id}`, other)).status, 404)
      equal((await b.delete(`/sessions/${id}`)).status, 401)
      equal((await b.delete(`/sessions/${id}`, laptop)).status, 204)
      equal((await a.get('/session', phone)).status, 401)
      for (const login of [laptop, other]) equal((await a.get('/session', login)).status, 200)
      isProblem((await b.delete<Problem>(`/sessions/${id}`, laptop)).body, 404, new RegExp(`${id}`))
    },
  },
  {
    route: 'DELETE /sessions',
    sees: 'all other devices logged out, or this one too',
    run: async ({ a, b }) => {
      const other = await b.login()
      const phone = await a.login()
      const laptop = await b.login(phone.user)
      const { status, body } = await b.delete<{ ended: number }>('/sessions', laptop)
      equal(status, 200)
      ok(body.ended >= 1)
      equal((await a.get('/session', phone)).status, 401)
      equal((await devices(a, laptop)).length, 1)
      const again = await a.login(phone.user)
      deepEqual((await b.delete('/sessions?current=true', again)).body, { ended: 2 })
      for (const login of [again, laptop]) equal((await a.get('/session', login)).status, 401)
      equal((await a.get('/session', other)).status, 200)
      equal((await a.delete('/sessions')).status, 401)
      isProblem((await a.delete<Problem>('/sessions?current=perhaps', other)).body, 400, /current/)
    },
  },
  {
    route: 'POST /session',
    sees: 'the cart as it was, on another device',
    run: async ({ a, b }) => {
      const phone = await emptyHanded(a)
      const { id } = await makeProduct(a, { price: 2 })
      await a.put(`/cart/${id}`, { quantity: 2 }, phone)
      const laptop = await b.login(phone.user)
      notEqual(laptop.cookie, phone.cookie)
      await soon(async () => equal((await b.get<Cart>('/cart', laptop)).body.total, 4))
      await a.put(`/cart/${id}`, { quantity: 0 }, laptop)
    },
  },
  {
    route: 'POST /orders',
    sees: 'ten orders a minute for each user, whatever process and device',
    run: async ({ a, b }) => {
      const [phone, other] = [await a.login('user19@example.com'), await b.login()]
      const laptop = await b.login(phone.user)
      const { id } = await makeProduct(a, { stock: 100 })
      const items = [{ productId: id, quantity: 1 }]
      const answers = await Promise.all(
        Array.from({ length: 14 }, (_, i) =>
          i % 2 ? a.order<Order>(items, phone, unique('key')) : b.order<Order>(items, laptop, unique('key')),
        ),
      )
      const sold = answers.filter(({ status }) => status === 201)
      equal(sold.length, 10)
      const left = sold.map(({ headers }) => Number(headers.get('x-ratelimit-remaining')))
      deepEqual(left.sort(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
      for (const { status, headers, body } of answers.filter((answer) => !sold.includes(answer))) {
        equal(status, 429)
        isProblem(body as unknown as Problem, 429, /limit/)
        equal(headers.get('x-ratelimit-remaining'), '0')
        equal(headers.get('ratelimit-policy'), '"orders";q=10;w=60')
        const seconds = Number(headers.get('retry-after'))
        ok(seconds > 0 && seconds <= 60)
        equal(headers.get('ratelimit'), `"orders";r=0;t=${seconds}`)
      }
      equal((await a.order(items, other, unique('key'))).status, 201)
    },
  },
]
