import { decorate } from '@larder/core'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { Book } from './book.js'
import { OpenTelemetryError, RegistryError } from './errors.js'
import { Metrics } from './metrics.js'
import { instrument } from './opentelemetry.js'
import { type MetricsOptions, type OpenTelemetryOptions, type ResolvedOptions, resolveOptions } from './options.js'
import { exportTo } from './prometheus.js'
import { Report } from './report.js'
import { trace } from './spans.js'

/** Instances registered with a `name`: augment it to type `fastify.metrics.<name>`. */
// biome-ignore lint/suspicious/noEmptyInterface: users add the names they register
export interface MetricsInstances {}

declare module 'fastify' {
  interface FastifyInstance {
    metrics: Metrics & MetricsInstances
  }
}

const plugin: FastifyPluginAsync<MetricsOptions> = async (fastify, raw) => {
  const options = resolveOptions(raw)
  const { opentelemetry } = options
  const { meter, tracer } = opentelemetry === true ? await globalOpenTelemetry() : opentelemetry || {}
  const book = new Book(fastify.server)
  const metrics = new Metrics(book, options.registry)
  const ends = [() => metrics.close()]
  fastify.addHook('onClose', async () => {
    for (const end of ends) end()
  })
  try {
    exportTo(options.registry, options.prefix, book)
  } catch (error) {
    metrics.close()
    throw new RegistryError((error as Error).message, { cause: error })
  }
  if (meter) ends.push(instrument(meter, book))
  if (tracer) ends.push(trace(tracer, book))
  ends.push(startReport(fastify, metrics, options))
  decorate(fastify, 'metrics', metrics, options.name)
  // By then all plugins are there, in whatever order they were registered.
  fastify.addHook('onReady', async () => metrics.open())
  if (options.path !== undefined) addRoute(fastify, options.path, metrics, options)
}

/** The Fastify plugin: decorates the instance with {@link Metrics} as `fastify.metrics`, and adds the route that Prometheus reads. */
export const metrics: FastifyPluginAsync<MetricsOptions> = fp(plugin, { name: '@larder/metrics', fastify: '5.x' })

function addRoute(fastify: FastifyInstance, url: string, metrics: Metrics, { onRequest }: ResolvedOptions): void {
  fastify.route({
    method: 'GET',
    url,
    onRequest,
    logLevel: 'warn',
    // It is neither limited nor cached where other plugins treat every route.
    config: { rateLimit: false, responseCache: false } as object,
    schema: { hide: true } as object,
    handler: async (_request, reply) => {
      reply.header('content-type', metrics.registry.contentType).header('cache-control', 'no-store')
      return metrics.text()
    },
  })
}

function startReport(
  fastify: FastifyInstance,
  { caches }: Metrics,
  { report: every, warnBelow }: ResolvedOptions,
): () => void {
  if (every === undefined) return () => {}
  const report = new Report({ caches, log: fastify.log, warnBelow })
  const timer = setInterval(() => report.log(), every).unref()
  return () => clearInterval(timer)
}

async function globalOpenTelemetry(): Promise<OpenTelemetryOptions> {
  try {
    const { metrics, trace } = await import('@opentelemetry/api')
    return { meter: metrics.getMeter('@larder/metrics'), tracer: trace.getTracer('@larder/metrics') }
  } catch (error) {
    throw new OpenTelemetryError((error as Error).message, { cause: error })
  }
}
