import events, { type Events, type EventsOptions } from '@larder/events'
import { type Site as SharedSite, sitesOf, type T, uniqueNamespace } from '@larder/test-redis'
import fastify, { type FastifyInstance } from 'fastify'

export { behind, client, codeOf, far, start, type T } from '@larder/test-redis'

/** An application with events, as one process has it: with a client of its own. */
export interface Opened {
  readonly app: FastifyInstance
  readonly events: Events
  /** First part of its keys. */
  readonly namespace: string
}

/** Where events go. */
export type Site = SharedSite<EventsOptions, Opened>

/** An application whose events have these options. */
export async function open(t: T, options: EventsOptions): Promise<Opened> {
  const app = fastify()
  t.teardown(() => app.close())
  const namespace = options.namespace ?? uniqueNamespace()
  await app.register(events, { ...options, namespace })
  return { app, events: app.events, namespace }
}

/** Memory, one Redis, and a Cluster of three. */
export function allSites(): Promise<Site[]> {
  return sitesOf(open, async ({ app, namespace }, name, options) => {
    await app.register(events, options)
    return { app, events: (app.events as unknown as Record<string, Events>)[name] as Events, namespace }
  })
}

/** The next so many items. */
export async function take<Item>(source: AsyncIterator<Item>, count: number): Promise<Item[]> {
  const awake = setInterval(() => {}, 1_000)
  const items: Item[] = []
  while (items.length < count) {
    const result = await source.next()
    if (result.done) break
    items.push(result.value)
  }
  clearInterval(awake)
  return items
}

/** Payloads of items. */
export function payloads(items: readonly { payload: unknown }[]): unknown[] {
  return items.map(({ payload }) => payload)
}

/** A schema for numbers over 0, without a library. */
export const positive = {
  '~standard': {
    version: 1 as const,
    vendor: 'test',
    validate: (value: unknown) =>
      typeof value === 'number' && value > 0 ? { value } : { issues: [{ message: 'not a number over 0' }] },
    types: undefined as { input: number; output: number } | undefined,
  },
}
