import createError, { type FastifyErrorConstructor } from '@fastify/error'

/** With `opentelemetry: true`: `@opentelemetry/api` cannot be loaded; the `cause` says why. */
export const OpenTelemetryError: FastifyErrorConstructor<
  { code: 'LARDER_METRICS_OPENTELEMETRY' },
  [string, ErrorOptions?]
> = createError('LARDER_METRICS_OPENTELEMETRY', 'Expected `@opentelemetry/api` to be installed: %s')

/** The registry has series of these names: give this registration a `prefix`, or a registry of its own. */
export const RegistryError: FastifyErrorConstructor<{ code: 'LARDER_METRICS_REGISTRY' }, [string, ErrorOptions?]> =
  createError('LARDER_METRICS_REGISTRY', 'The registry cannot take the series of Larder: %s')
