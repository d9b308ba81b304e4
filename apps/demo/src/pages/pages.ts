import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { Assets } from './assets.js'
import { type Document, makeDocument, type PageName } from './document.js'
import { experimentRoutes } from './experiment-routes.js'
import { type ExperimentParts, Experiments } from './experiments.js'
import { streamFigures } from './figure-stream.js'
import { Watch } from './watch.js'

/** The two pages for people, at `/` and `/dashboard`, and what they load. */
export const pages = fp<Omit<ExperimentParts, 'app'>>(async (app, parts) => {
  const assets = new Assets()
  const experiments = new Experiments({ app, ...parts })
  const watch = new Watch(app, experiments)
  // To the cache of whole answers every request says then that it wants none of them.
  app.addHook('onRequest', async ({ headers }) => {
    if (parts.catalogue.cacheOff) headers['cache-control'] = 'no-store'
  })
  app.addHook('onListen', async () => watch.start())
  app.addHook('preClose', async () => {
    experiments.close()
    watch.stop()
  })

  await assets.register(app)
  const page = (path: string, name: PageName) => {
    let made: Document | undefined
    app.get(path, { schema: { hide: true } }, (_request, reply) => {
      made ??= makeDocument(name, assets, offersOf(app)) // by now every route is there
      return reply.headers(made.headers).send(made.html)
    })
  }
  page('/', 'storefront')
  page('/dashboard', 'dashboard')
  app.get('/dashboard/figures', { schema: { hide: true } }, (_request, reply) => streamFigures(watch, reply))
  await app.register(experimentRoutes, { prefix: '/dashboard/experiments', experiments })
})

/** What the storefront shows where the shop has the route for it. */
function offersOf(app: FastifyInstance): string[] {
  const routes = { orders: '/events/orders', views: '/products/:id/views' }
  return Object.entries(routes).flatMap(([name, url]) => (app.hasRoute({ method: 'GET', url }) ? [name] : []))
}
