import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { cacheStatus } from '../cache-status.js'
import { CACHED_LIST, listFields } from '../cached-list.js'
import type { Catalogue } from '../catalogue.js'
import { BadFieldError, ProductNotFoundError } from '../errors.js'
import { problems } from '../problem.js'
import { Id, Product, ProductChange, ProductDraft, ProductPage, ProductQuery } from '../product.js'
import { userOf } from '../user.js'
import type { Visits } from '../visits.js'

const ProductId = Type.Object({ id: Id })

const admin = [{ admin: [] }]

/** The catalogue: to look at for all, to change for the administrator. */
export const productRoutes: FastifyPluginAsyncTypebox<{ catalogue: Catalogue; visits: Visits }> = async (
  app,
  { catalogue, visits },
) => {
  app.get(
    '/products',
    {
      schema: {
        tags: ['products'],
        summary: 'A page of products',
        description: 'The whole answer is cached for a minute, and made anew when a product that may be in it changes.',
        querystring: ProductQuery,
        response: { 200: ProductPage, ...problems },
      },
      config: { responseCache: CACHED_LIST },
      // Forms send their empty fields too: `?category=` means no category.
      preValidation: async ({ query }) => {
        for (const [name, value] of Object.entries(query as object))
          if (value === '') Reflect.deleteProperty(query, name)
      },
    },
    async ({ query }, reply) => {
      if (query.minPrice !== undefined && query.maxPrice !== undefined && query.minPrice > query.maxPrice)
        throw new BadFieldError('querystring/minPrice', 'must not be over maxPrice')
      reply.headers(listFields(60))
      return catalogue.page(query as ProductQuery) // the check has filled in the defaults
    },
  )

  app.get(
    '/products/:id',
    {
      schema: {
        tags: ['products'],
        summary: 'A product',
        description: 'Cached for ten minutes, then served stale for up to a minute while it is loaded again.',
        params: ProductId,
        response: { 200: Product, ...problems },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const entry = await catalogue.product(id)
      reply.header('cache-status', cacheStatus(entry))
      if (entry.value === null) throw new ProductNotFoundError(id)
      const user = userOf(request)
      // Not awaited: noting a visit delays no page.
      void visits.record({ productId: id, visitor: user ?? request.ip, user })
      return entry.value
    },
  )

  app.get(
    '/products/:id/visitors',
    {
      schema: {
        tags: ['products'],
        summary: 'How many different visitors looked at a product',
        params: ProductId,
        response: { 200: Type.Object({ productId: Id, visitors: Type.Integer() }), ...problems },
      },
    },
    async ({ params: { id } }) => {
      if ((await catalogue.product(id)).value === null) throw new ProductNotFoundError(id)
      return { productId: id, visitors: await visits.visitors(id) }
    },
  )

  app.post(
    '/products',
    {
      onRequest: app.verifyBearerAuth!, // @fastify/bearer-auth is registered before
      schema: {
        tags: ['products'],
        summary: 'Add a product',
        security: admin,
        body: ProductDraft,
        response: { 201: Product, ...problems },
      },
    },
    async ({ body }, reply) => {
      const product = await catalogue.create(body)
      return reply.code(201).header('location', `/products/${product.id}`).send(product)
    },
  )

  app.put(
    '/products/:id',
    {
      onRequest: app.verifyBearerAuth!, // see above
      schema: {
        tags: ['products'],
        summary: 'Change a product',
        description:
          'Fields left out stay as they are. Every list and page that shows it is renewed, in every process.',
        security: admin,
        params: ProductId,
        body: ProductChange,
        response: { 200: Product, ...problems },
      },
    },
    ({ params, body }) => {
      // The schema counts fields before it takes out those that it does not know.
      if (Object.keys(body).length === 0)
        throw new BadFieldError('body', `must have one of ${Object.keys(ProductChange.properties).join(', ')}`)
      return catalogue.update(params.id, body)
    },
  )

  app.delete(
    '/products/:id',
    {
      onRequest: app.verifyBearerAuth!, // see above
      schema: {
        tags: ['products'],
        summary: 'Remove a product',
        security: admin,
        params: ProductId,
        response: { 204: Type.Null({ description: 'It is gone' }), ...problems },
      },
    },
    async ({ params }, reply) => {
      await catalogue.remove(params.id)
      return reply.code(204).send(null)
    },
  )
}
