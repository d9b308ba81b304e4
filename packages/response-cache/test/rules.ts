import type { Test } from 'tap'
import { type OriginAnswer, openProxy } from './origin.js'
import { ask } from './setup.js'

type Headers = Record<string, string | string[]>

/** One rule: what the origin answers, what is asked twice, and whether the second one is answered from the cache. */
export interface Rule {
  section: string
  rule: string
  answer: OriginAnswer
  first?: Headers
  second?: Headers
  reused: boolean
}

/** An answer with this `Cache-Control`. */
export const cc = (value: string | string[], more: Headers = {}): OriginAnswer => ({
  headers: { 'cache-control': value, ...more },
})

/** A rule with its section. */
export const row = (
  section: string,
  rule: string,
  answer: OriginAnswer,
  reused: boolean,
  more: Partial<Rule> = {},
): Rule => ({ section, rule, answer, reused, ...more })

/** Asks twice for each rule, over sockets, before an origin. */
export function prove(t: Test, rules: readonly Rule[]): void {
  t.test('the rules of the RFCs', async (t) => {
    const { url, asked, answer } = await openProxy(t)
    for (const [i, { section, rule, answer: given, first, second, reused }] of rules.entries()) {
      asked.length = 0
      answer(given)
      const target = `${url}/rule-${i}`
      const one = await ask(target, { headers: first ?? {} })
      const two = await ask(target, { headers: second ?? {} })
      const name = `RFC ${section}: ${rule}`
      t.equal(two.body === one.body, reused, `${name} (${one.cache} | ${two.cache})`)
      t.equal(/; hit/.test(two.cache), reused, `${name}: Cache-Status says so`)
      t.equal(two.status, given.status ?? 200, name)
    }
  })
}
