import createError from '@fastify/error'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { problems } from '../problem.js'
import { Id, Product } from '../product.js'
import type { Experiments } from './experiments.js'
import { onlyFromHere } from './guard.js'

/** 409: the shop did not start this Redis, so it does not stop it. */
export const NotOurRedisError = createError(
  'SHOP_REDIS_NOT_OURS',
  'The shop did not start a Redis server: run it with LARDER_DEMO_REDIS=1 to try this',
  409,
)

const Done = Type.Null({ description: 'It is under way' })
const LIMIT = { max: 10, timeWindow: '20 seconds', policy: 'experiment' }
const Switch = Type.Object({ on: Type.Boolean() }, { additionalProperties: false })

const FloodReport = Type.Object({
  calls: Type.Integer(),
  loads: Type.Integer({ description: 'How often the database was asked' }),
  states: Type.Record(Type.String(), Type.Integer(), { description: 'How the calls were answered' }),
  milliseconds: Type.Number(),
  p50: Type.Number(),
  p95: Type.Number(),
})

/** What the dashboard's buttons ask for. For who sits at the machine only. */
export const experimentRoutes: FastifyPluginAsyncTypebox<{ experiments: Experiments }> = async (
  app,
  { experiments },
) => {
  app.addHook('onRequest', onlyFromHere)
  const tags = ['experiments']

  app.post(
    '/visitors',
    {
      schema: {
        tags,
        summary: 'Let made-up visitors into the shop, for five minutes',
        body: Type.Object({ count: Type.Integer({ minimum: 0, maximum: 40 }) }, { additionalProperties: false }),
        response: { 204: Done, ...problems },
      },
    },
    async ({ body }, reply) => {
      experiments.invite(body.count)
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/flood',
    {
      schema: {
        tags,
        summary: 'Ask many times at once for a key that is in no cache',
        body: Type.Object(
          { calls: Type.Integer({ minimum: 1, maximum: 1_000 }), cached: Type.Boolean({ default: true }) },
          { additionalProperties: false },
        ),
        response: { 200: FloodReport, ...problems },
      },
    },
    ({ body }) => experiments.flood(body),
  )

  app.post(
    '/price',
    {
      schema: {
        tags,
        summary: 'Change the price of a product a little',
        body: Type.Object({ productId: Id }, { additionalProperties: false }),
        response: { 200: Product, ...problems },
      },
    },
    ({ body }) => experiments.reprice(body.productId),
  )

  app.post(
    '/lock',
    {
      schema: { tags, summary: 'Queue for a lock and hold it for four seconds', response: { 204: Done, ...problems } },
    },
    async (_request, reply) => {
      experiments.takeLock()
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/limit',
    {
      config: { rateLimit: LIMIT },
      schema: { tags, summary: 'Spend one of ten requests in twenty seconds', response: { 204: Done, ...problems } },
    },
    async (_request, reply) => reply.code(204).send(null),
  )

  app.post(
    '/cache',
    {
      schema: {
        tags,
        summary: 'Switch the cache of the catalogue off, for a minute at most, or on',
        body: Switch,
        response: { 204: Done, ...problems },
      },
    },
    async ({ body }, reply) => {
      experiments.switchCache(body.on)
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/redis',
    {
      schema: {
        tags,
        summary: "Stop the shop's own Redis server, for a minute at most, or start it again",
        body: Switch,
        response: { 204: Done, ...problems },
      },
    },
    async ({ body }, reply) => {
      if (!(await experiments.switchRedis(body.on))) throw new NotOurRedisError()
      return reply.code(204).send(null)
    },
  )
}
