import { type Duration, OptionReader } from '@larder/core'
import type { onRequestHookHandler } from 'fastify'
import { Registry } from 'prom-client'
import type { Meter } from './opentelemetry.js'
import type { Tracer } from './spans.js'

/** Where OpenTelemetry's instruments and spans are made. */
export interface OpenTelemetryOptions {
  /** A `Meter` of `@opentelemetry/api`. Left out: no instruments. */
  meter?: Meter
  /** A `Tracer`. Left out: no spans. */
  tracer?: Tracer
}

/** Options of `app.register(metrics, options)`. */
export interface MetricsOptions {
  /** Where Prometheus reads; `false`: no route. Default `'/metrics'`. */
  path?: string | false
  /** Hooks before the route answers: who may read it, such as `app.verifyBearerAuth`. Default: anybody. */
  onRequest?: onRequestHookHandler | onRequestHookHandler[]
  /** How often hit rates are logged; `false`: never. Default `'1m'`. */
  report?: Duration | false
  /** Warns once when a cache's hit rate stays under it. From 0 to 1; default 0.8. */
  warnBelow?: number
  /** What the names of all series begin with. Default: nothing. */
  prefix?: string
  /** A registry of prom-client to put the series into. Default: one of its own. */
  registry?: Registry
  /** `true`: the global meter and tracer of `@opentelemetry/api`, which must be installed. Default: none. */
  opentelemetry?: boolean | OpenTelemetryOptions
  /** A second instance, as `fastify.metrics.<name>`. */
  name?: string
}

/** Complete options; durations in milliseconds. */
export interface ResolvedOptions {
  readonly path: string | undefined
  readonly onRequest: onRequestHookHandler[]
  readonly report: number | undefined
  readonly warnBelow: number
  readonly prefix: string
  readonly registry: Registry
  readonly opentelemetry: boolean | OpenTelemetryOptions
  readonly name: string | undefined
}

/** Reads, checks and completes the options. Throws `LARDER_INVALID_OPTION`. */
export function resolveOptions(raw: unknown): ResolvedOptions {
  const reader = new OptionReader(raw)
  const options: ResolvedOptions = {
    path: reader.raw('path') === false ? undefined : reader.value('path', 'a path or `false`', isPath, '/metrics'),
    onRequest: [reader.value('onRequest', 'a hook or an array of hooks', isHooks, [])].flat(),
    report: reader.raw('report') === false ? undefined : reader.duration('report', 60_000),
    warnBelow: reader.value('warnBelow', 'a number from 0 to 1', isShare, 0.8),
    prefix: reader.value('prefix', 'letters, digits and `_`, a letter first', isPrefix, ''),
    registry: reader.value('registry', 'a Registry of prom-client', isRegistry, undefined) ?? new Registry(),
    opentelemetry: readOpenTelemetry(reader),
    name: reader.string('name', undefined),
  }
  reader.done()
  return Object.freeze(options)
}

function readOpenTelemetry(reader: OptionReader): boolean | OpenTelemetryOptions {
  const raw = reader.raw('opentelemetry')
  if (raw === undefined || typeof raw === 'boolean') return raw ?? false
  const nested = reader.nested('opentelemetry')
  const meter = nested.value('meter', 'a Meter of @opentelemetry/api', isMeter, undefined)
  const tracer = nested.value('tracer', 'a Tracer of @opentelemetry/api', isTracer, undefined)
  nested.done()
  return { ...(meter && { meter }), ...(tracer && { tracer }) }
}

function isPath(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith('/')
}

function isPrefix(value: unknown): value is string {
  return typeof value === 'string' && /^([a-zA-Z]\w*)?$/.test(value)
}

function isShare(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= 1
}

function isHooks(value: unknown): value is onRequestHookHandler | onRequestHookHandler[] {
  return [value].flat().every((hook) => typeof hook === 'function')
}

function isRegistry(value: unknown): value is Registry {
  return typeof (value as Registry | null)?.registerMetric === 'function'
}

function isMeter(value: unknown): value is Meter {
  return typeof (value as Meter | null)?.createHistogram === 'function'
}

function isTracer(value: unknown): value is Tracer {
  return typeof (value as Tracer | null)?.startSpan === 'function'
}
