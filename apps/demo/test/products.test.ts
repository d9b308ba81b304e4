import { buildApp, type Product, type ProductPage, readConfig } from '@larder/demo'
import t from 'tap'
import { login } from './login.js'

const ADMIN = { authorization: 'Bearer demo-admin' }

const { app, database } = await buildApp(readConfig({ LOG_LEVEL: 'silent' }))
t.teardown(() => app.close())

const create = async (draft: Partial<Product>) => {
  const payload = { name: 'x', price: 1, categoryId: 1, ...draft }
  return (await app.inject({ method: 'POST', url: '/products', headers: ADMIN, payload })).json<Product>()
}
const list = async (query: Record<string, string>) =>
  (await app.inject({ url: '/products', query })).json<ProductPage & { message: string }>()

t.test('of many who ask at once for a cold page one loads it, the others join', async (t) => {
  const answers = await Promise.all(Array.from({ length: 20 }, () => app.inject('/products/77')))
  const states = answers.map(({ headers }) => headers['cache-status'])
  t.equal(states.filter((state) => state === 'Larder; fwd=miss; stored').length, 1)
  t.equal(states.filter((state) => state === 'Larder; fwd=miss; collapsed').length, 19)
})

t.test('that a product is unknown is cached too, until it is made', async (t) => {
  const { id } = await create({})
  const next = `/products/${id + 1}`
  t.equal((await app.inject(next)).statusCode, 404)
  t.match((await app.inject(next)).headers['cache-status'], /hit/)
  const made = await create({ name: 'Next' })
  t.equal(made.id, id + 1)
  t.same((await app.inject(next)).json(), made)
})

t.test('signs of a pattern stand for themselves in a search', async (t) => {
  await create({ name: 'Cotton 100% soft' })
  await create({ name: 'Cotton 100 soft' })
  await create({ name: 'snake_case \\ "quoted"' })
  for (const [q, total] of Object.entries({ '100%': 1, '0% S': 1, 'snake_case \\ "q': 1, "'; DROP TABLE": 0 }))
    t.equal((await list({ q })).total, total, q)
})

t.test('a filter without a value counts as left out', async (t) => {
  const all = await list({})
  t.same(await list({ category: '', q: '', minPrice: '', maxPrice: '', sort: '', page: '', pageSize: '' }), all)
})

t.test('prices are exact to the cent, at both ends of a range', async (t) => {
  const { id } = await create({ name: 'Cents', price: 1234.56 })
  for (const [minPrice, maxPrice, total] of [
    ['1234.56', '1234.56', 1],
    ['1234.57', '9999', 0],
    ['0', '1234.55', 0],
  ] as const)
    t.equal((await list({ q: 'Cents', minPrice, maxPrice })).total, total)
  t.equal((await app.inject(`/products/${id}`)).json<Product>().price, 1234.56)
  t.match(await list({ minPrice: '2', maxPrice: '1' }), { code: 'SHOP_BAD_FIELD', message: /minPrice/ })
})

t.test('fields that nobody may set are ignored, so that an answer can be sent back changed', async (t) => {
  const product = await create({ name: 'Round trip' })
  const payload = { ...product, id: 1, name: 'Back again', createdAt: '2000-01-01T00:00:00.000Z' }
  const { statusCode } = await app.inject({ method: 'PUT', url: `/products/${product.id}`, headers: ADMIN, payload })
  t.equal(statusCode, 200)
  t.match((await app.inject(`/products/${product.id}`)).json(), {
    id: product.id,
    name: 'Back again',
    createdAt: product.createdAt,
  })
})

t.test('a change of nothing that may be changed is refused, and says what may', async (t) => {
  const { id } = await create({})
  for (const payload of [{}, { nme: 'Typo' }]) {
    const answer = await app.inject({ method: 'PUT', url: `/products/${id}`, headers: ADMIN, payload })
    t.equal(answer.statusCode, 400)
    t.match(answer.json().message, /^body must/)
  }
})

t.test('the documentation has every route of the API, also that of a plugin', async (t) => {
  const { paths } = (await app.inject('/documentation/json')).json<{ paths: Record<string, object> }>()
  for (const path of ['/products', '/orders', '/events/orders', '/metrics', '/leaderboards/{board}'])
    t.ok(paths[path], path)
})

t.test('every error has one shape, and what nobody foresaw tells nothing', async (t) => {
  await database.query('ALTER TABLE shop.cart_items RENAME TO elsewhere')
  const cases = [
    [{ method: 'GET', url: '/nowhere' }, 404, 'SHOP_ROUTE_NOT_FOUND'],
    [{ method: 'GET', url: '/products/%E0%A4%A' }, 400, 'FST_ERR_BAD_URL'],
    [{ method: 'POST', url: '/products', payload: {} }, 401, 'FST_BEARER_AUTH_MISSING_AUTHORIZATION_HEADER'],
    [{ method: 'POST', url: '/products', headers: ADMIN, payload: 'text' }, 415, 'FST_ERR_CTP_INVALID_MEDIA_TYPE'],
    [
      { method: 'POST', url: '/products', headers: { ...ADMIN, 'content-type': 'application/json' }, payload: '{' },
      400,
      'FST_ERR_CTP_INVALID_JSON_BODY',
    ],
    [{ method: 'GET', url: '/cart', headers: await login(app) }, 500, 'SHOP_INTERNAL_ERROR'],
  ] as const
  for (const [request, statusCode, code] of cases) {
    const answer = await app.inject(request)
    t.equal(answer.statusCode, statusCode)
    t.match(answer.json(), { statusCode, code, error: String, message: String })
    t.equal(Object.keys(answer.json()).length, 4)
    t.notMatch(answer.body, /elsewhere|cart_items|node_modules/)
    if (statusCode === 401) t.equal(answer.headers['www-authenticate'], 'Bearer')
  }
})
