import fp from 'fastify-plugin'
import { Assets } from './assets.js'
import { makeDocument, type PageName } from './document.js'
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
    const { html, headers } = makeDocument(name, assets)
    app.get(path, { schema: { hide: true } }, (_request, reply) => reply.headers(headers).send(html))
  }
  page('/', 'storefront')
  page('/dashboard', 'dashboard')
  app.get('/dashboard/figures', { schema: { hide: true } }, (_request, reply) => streamFigures(watch, reply))
  await app.register(experimentRoutes, { prefix: '/dashboard/experiments', experiments })
})
