import sessions from '@larder/sessions'
import Fastify from 'fastify'

declare module 'fastify' {
  interface Session {
    cart?: Record<string, number>
  }
}

const app = Fastify()
await app.register(sessions, { secret: 'at least 32 characters, from your vault', redis: false, maxPerUser: 10 })

app.put<{ Params: { product: string } }>('/cart/:product', async (request) => {
  request.session.cart = { ...request.session.cart, [request.params.product]: 1 }
  return request.session.cart
})
app.post('/login', async (request) => {
  await request.login('ann')
  return { user: request.session.userId, cart: request.session.cart }
})
app.get('/devices', async (request, reply) => {
  const { userId } = request.session
  if (userId === undefined) return reply.code(401).send({ message: 'Log in first' })
  return app.sessions.list(userId, { request })
})
app.delete('/devices', async (request) => ({
  ended: await app.sessions.revokeAll(request.session.userId ?? 'nobody', { except: request }),
}))

const cookieOf = (answer: { cookies: { name: string; value: string }[] }): Record<string, string> =>
  Object.fromEntries(answer.cookies.map(({ name, value }) => [name, value]))

const anonymous = cookieOf(await app.inject({ method: 'PUT', url: '/cart/17' }))
const login = await app.inject({ method: 'POST', url: '/login', cookies: anonymous })
console.log(login.json())
const phone = cookieOf(login)
const laptop = cookieOf(await app.inject({ method: 'POST', url: '/login' }))
console.log('before the login:', (await app.inject({ url: '/devices', cookies: anonymous })).statusCode)
console.log('devices:', (await app.inject({ url: '/devices', cookies: laptop })).json().length)
console.log(
  'log out everywhere else:',
  (await app.inject({ method: 'DELETE', url: '/devices', cookies: laptop })).json(),
)
console.log('the phone:', (await app.inject({ url: '/devices', cookies: phone })).statusCode)
await app.close()
