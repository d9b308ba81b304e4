import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Desk } from './desk.js'
import type { Outlet } from './outlet.js'
import type { Kept, Page } from './page.js'
import type { Question } from './question.js'
import { reuseOf, ttlOf } from './reuse.js'
import { slotKey } from './slot.js'
import { selectionOf } from './vary.js'

/** A request that may be answered from what this process has. */
export interface Asked {
  readonly desk: Desk
  readonly outlet: Outlet
  readonly question: Question
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly begun: number | undefined
}

/** Answers at once with a fresh page of this process; `false` when there is none that may. */
export function answerLocally(asked: Asked): boolean {
  const { desk, question, request } = asked
  const now = desk.cache.now()
  const kept = desk.cache.local<Kept>(question.key, now)
  if (kept === undefined) return false
  const { value } = kept
  if (value.kind === 'page') return value.head.selection === question.site && use(asked, value, now - kept.created)
  if (value.kind === 'pass') return false
  const selection = selectionOf(value.vary, request.headers, question.site)
  const slot = desk.cache.local<Kept>(slotKey(question.key, value.id, selection, 0, desk.options.maxVariants), now)
  return (
    slot?.value.kind === 'page' && slot.value.head.selection === selection && use(asked, slot.value, now - slot.created)
  )
}

function use({ desk, outlet, question, request, reply, begun }: Asked, page: Page, resident: number): boolean {
  const found = { page, resident: Math.max(0, resident), current: false }
  if (reuseOf(found, question.control, question.authorized) !== 'use') return false
  const happened = { hit: true, ttl: ttlOf(found) }
  outlet.serve(desk, request, reply, { found, happened, result: 'hit', begun })
  return true
}
