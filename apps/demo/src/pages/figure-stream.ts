import type { FastifyReply } from 'fastify'
import type { Watch } from './watch.js'

/** What a watcher may have unread before its connection is given up: it will ask anew and be told the history. */
const MAX_UNREAD = 1_000_000

/** Answers with the figures as server-sent events: `history`, then a `sample` each second. */
export function streamFigures(watch: Watch, reply: FastifyReply): void {
  reply.hijack()
  const { raw } = reply
  raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-accel-buffering': 'no',
  })
  const stop = watch.watch((event, data) => {
    if (raw.writableLength > MAX_UNREAD) raw.destroy()
    else raw.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
  })
  raw.on('close', stop).on('error', stop)
}
