import { metrics as api, trace } from '@opentelemetry/api'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import t from 'tap'
import { open, openAll, type T } from './setup.js'

function meters(t: T) {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })
  const provider = new MeterProvider({ readers: [reader] })
  t.teardown(() => provider.shutdown())
  const collect = async () => {
    exporter.reset()
    await reader.forceFlush()
    return exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
  }
  return { provider, collect }
}

t.test('every series is an instrument too, in base units', async (t) => {
  const { provider, collect } = meters(t)
  const app = await openAll(t, false, { opentelemetry: { meter: provider.getMeter('test') } })
  const { cache } = app
  await cache.getOrSet('a', () => 1)
  await cache.getOrSet('a', () => 1)
  const found = new Map((await collect()).map((metric) => [metric.descriptor.name, metric]))
  const requests = found.get('larder.cache.requests')
  t.equal(requests?.descriptor.unit, '1')
  const own = requests?.dataPoints.filter(({ attributes }) => attributes.cache !== 'responses')
  const values = own?.map(({ attributes, value }) => [attributes.result, value])
  t.strictSame(Object.fromEntries(values ?? []), { hit: 1, stale: 0, miss: 1, coalesced: 0, bypass: 0, error: 0 })
  const loads = found.get('larder.cache.load.duration')
  t.equal(loads?.descriptor.unit, 's')
  t.match(loads?.dataPoints, [{ value: { count: 1, buckets: { boundaries: [0.001, 0.0025] } } }])
  t.match(found.get('larder.cache.memory')?.descriptor.unit, 'By')
  t.match(found.get('larder.cache.memory.entries')?.dataPoints, [{ value: 1 }])
})

t.test('what takes long makes a span, under the one that is active', async (t) => {
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  t.teardown(() => provider.shutdown())
  const app = await openAll(t, false, { opentelemetry: { tracer: provider.getTracer('test') } })
  await app.cache.getOrSet('a', () => 1)
  await app.cache.getOrSet('a', () => 1)
  await app.cache.getOrSet('bad', () => Promise.reject(new Error('no'))).catch(() => {})
  await app.locks.using('x', () => app.locks.acquire('x', { wait: 1 }).catch(() => {}))
  const spans = exporter.getFinishedSpans().map(({ name, status }) => `${name} ${status.code}`)
  t.strictSame(spans.sort(), ['cache.load 0', 'cache.load 2', 'lock.acquire 0', 'lock.acquire 2'])
  const [span] = exporter.getFinishedSpans()
  t.ok((span?.duration[0] ?? -1) >= 0)
})

t.test('`true` takes the global meter and tracer', async (t) => {
  const { provider, collect } = meters(t)
  api.setGlobalMeterProvider(provider)
  const exporter = new InMemorySpanExporter()
  const tracers = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  trace.setGlobalTracerProvider(tracers)
  t.teardown(() => {
    api.disable()
    trace.disable()
  })
  const { app } = await open(t, { opentelemetry: true })
  await app.cache.getOrSet('a', () => 1)
  t.ok((await collect()).some(({ descriptor }) => descriptor.name === 'larder.cache.requests'))
  t.equal(exporter.getFinishedSpans().length, 1)
})
