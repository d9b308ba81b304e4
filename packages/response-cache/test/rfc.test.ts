import t from 'tap'
import { httpDate, type OriginAnswer, openProxy } from './origin.js'
import { ask } from './setup.js'

type Headers = Record<string, string | string[]>

/** One rule: what the origin answers, what is asked twice, and whether the second one is answered from the cache. */
interface Rule {
  section: string
  rule: string
  answer: OriginAnswer
  first?: Headers
  second?: Headers
  reused: boolean
}

const FRESH = { 'cache-control': 'max-age=60' }
const cc = (value: string | string[], more: Headers = {}): OriginAnswer => ({
  headers: { 'cache-control': value, ...more },
})
const BEARER = { authorization: 'Bearer 1' }

const row = (section: string, rule: string, answer: OriginAnswer, reused: boolean, more: Partial<Rule> = {}): Rule => ({
  section,
  rule,
  answer,
  reused,
  ...more,
})

const RULES: readonly Rule[] = [
  // What is stored.
  row('9111 3', 'a response that says nothing is not stored', {}, false),
  row('9111 3', 'a final status with explicit freshness is stored', { status: 404, ...cc('max-age=60') }, true),
  row('9111 3', 'so is one that is not known', { status: 499, ...cc('max-age=60') }, true),
  row('9111 3', '`public` alone says nothing of how long', cc('public'), false),
  row(
    '9111 3.1',
    'an answer in a session of the connection is stored without its fields',
    cc('max-age=60', { connection: 'close, x-hop', 'x-hop': '1' }),
    true,
  ),
  row(
    '9111 3.3',
    'part of a response is passed on',
    { status: 206, headers: { ...FRESH, 'content-range': 'bytes 0-1/9' } },
    false,
    { first: { range: 'bytes=0-1' }, second: { range: 'bytes=0-1' } },
  ),
  row('9111 3.3', 'a range is asked of the origin, although the whole is stored', cc('max-age=60'), false, {
    second: { range: 'bytes=0-1' },
  }),
  row('9111 3.5', 'an answer to `Authorization` is not stored', cc('max-age=60'), false, { first: BEARER }),
  row('9111 3.5', 'unless it is `public`', cc('public, max-age=60'), true, { first: BEARER }),
  row('9111 3.5', 'or has `s-maxage`', cc('s-maxage=60'), true, { first: BEARER }),
  row('9111 3.5', 'or `must-revalidate`', cc('max-age=60, must-revalidate'), true, { first: BEARER }),
  row('9111 3.5', 'what is stored for others answers `Authorization` only then, too', cc('max-age=60'), false, {
    second: BEARER,
  }),
  row('9111 3.5', 'and then it does', cc('public, max-age=60'), true, { second: BEARER }),
  row('9111 7.3', 'an answer with `Set-Cookie` is not stored', cc('max-age=60', { 'set-cookie': 'a=b' }), false),
  row(
    '9111 7.3',
    'unless the cookie is excepted',
    cc('max-age=60, no-cache="set-cookie"', { 'set-cookie': 'a=b' }),
    true,
  ),
  // How long it is fresh.
  row('9111 4.2.1', '`max-age`', cc('max-age=60'), true),
  row('9111 4.2.1', '`max-age=0`', cc('max-age=0'), false),
  row('9111 4.2.1', '`s-maxage` before `max-age`', cc('max-age=0, s-maxage=60'), true),
  row('9111 4.2.1', '`s-maxage=0` before `max-age`', cc('max-age=60, s-maxage=0'), false),
  row('9111 4.2.1', '`max-age` before `Expires`', cc('max-age=60', { expires: httpDate(-60) }), true),
  row('9111 4.2.1', '`max-age=0` before `Expires`', cc('max-age=0', { expires: httpDate(60) }), false),
  row('9111 4.2.1', '`Expires` after `Date`', { headers: { date: httpDate(0), expires: httpDate(60) } }, true),
  row('9111 4.2.1', '`Expires` without `Date`', { headers: { expires: httpDate(60) } }, true),
  row('9111 4.2.1', '`Expires` before `Date`', { headers: { date: httpDate(0), expires: httpDate(-60) } }, false),
  row('9111 4.2.1', 'directives that differ: stale', cc('max-age=60, max-age=0'), false),
  row('9111 4.2.1', 'and in the other order', cc('max-age=0, max-age=60'), false),
  row('9111 4.2.1', 'the same twice: once', cc(['max-age=60', 'max-age=60']), true),
  row('9111 4.2.2', 'no guess unless it is asked for', { headers: { 'last-modified': httpDate(-100_000) } }, false),
  row('9111 4.2.3', '`Age` counts', cc('max-age=60', { age: '70' }), false),
  row('9111 4.2.3', '`Age` that leaves some', cc('max-age=60', { age: '10' }), true),
  row('9111 4.2.3', '`Date` counts', cc('max-age=60', { date: httpDate(-70) }), false),
  row('9111 4.2.3', 'the older of both counts', cc('max-age=60', { date: httpDate(0), age: '70' }), false),
  row('9111 5.1', '`Age` that is no number is none', cc('max-age=60', { age: 'old' }), true),
  row('9111 5.1', 'of several the first counts', cc('max-age=60', { age: '10, 70' }), true),
  row('9111 1.2.2', 'more seconds than fit are many', cc('max-age=99999999999999999999'), true),
  // How Cache-Control is read.
  row('9111 5.2', 'names in any case', cc('MAX-AGE=60'), true),
  row('9111 5.2', '`NO-STORE` in any case', cc('max-age=60, No-Store'), false),
  row('9111 5.2', 'arguments as quoted strings', cc('max-age="60"'), true),
  row(
    '9111 5.2',
    'directives inside quoted strings are none',
    cc('max-age=60, x="no-store, private, max-age=0"'),
    true,
  ),
  row('9111 5.2', 'escaped quotes do not end them', cc('max-age=60, x="\\", no-store, \\""'), true),
  row('9111 5.2', 'a quoted string without end may hide anything', cc('max-age=60, x="no-store'), false),
  row('9111 5.2', 'white space and empty members', cc(' , ,max-age=60 ,, '), true),
  row('9111 5.2', 'in several fields', cc(['x=1', 'max-age=60']), true),
  row('9111 5.2.3', 'unknown directives mean nothing', cc('max-age=60, community="UCI", x, y=1'), true),
  row('9111 4.2.1', '`max-age` that is negative', cc('max-age=-1'), false),
  row('9111 4.2.1', '`max-age` that is a decimal', cc('max-age=60.5'), false),
  row('9111 4.2.1', '`max-age` without argument', cc('max-age'), false),
  row('9111 4.2.1', '`max-age` of nothing', cc('max-age='), false),
  row('9111 4.2.1', '`max-age` in single quotes', cc("max-age='60'"), false),
  row('9111 4.2.1', '`max-age` with something behind it', cc('max-age=60 seconds'), false),
  row('9111 4.2.1', 'white space around `=`', cc('max-age = 60'), false),
  row('9111 5.2.2.5', '`no-store` with something behind it still is', cc('max-age=60, no-store x'), false),
  // Dates.
  row('9110 5.6.7', '`Expires: 0` has expired', { headers: { expires: '0' } }, false),
  row(
    '9110 5.6.7',
    'a date of another zone is none',
    { headers: { expires: httpDate(3600).replace('GMT', 'UTC') } },
    false,
  ),
  row('9110 5.6.7', 'a date without zone is none', { headers: { expires: httpDate(3600).replace(' GMT', '') } }, false),
  row('9110 5.6.7', 'the form of RFC 850', { headers: { expires: rfc850(3600) } }, true),
  row('9110 5.6.7', 'the form of asctime', { headers: { expires: asctime(3600) } }, true),
  row('9111 5.3', '`Expires` far in the future', { headers: { expires: 'Thu, 31 Dec 2099 23:59:59 GMT' } }, true),
  // What it allows.
  row('9111 5.2.2.1', '`max-age` of a fresh one', cc('max-age=1000'), true),
  row('9111 5.2.2.2', '`must-revalidate` while fresh', cc('max-age=60, must-revalidate'), true),
  row(
    '9111 5.2.2.3',
    '`must-understand` with a status that is understood overrides `no-store`',
    cc('must-understand, no-store, max-age=60'),
    true,
  ),
  row(
    '9111 5.2.2.3',
    '`must-understand` with one that is not',
    { status: 499, ...cc('must-understand, max-age=60') },
    false,
  ),
  row('9111 5.2.2.4', '`no-cache` is never used without asking', cc('no-cache, max-age=60', { etag: '"1"' }), false),
  row(
    '9111 5.2.2.4',
    '`no-cache` of a field is of that field',
    cc('max-age=60, no-cache="x-secret"', { 'x-secret': '1' }),
    true,
  ),
  row('9111 5.2.2.5', '`no-store`', cc('no-store, max-age=60'), false),
  row('9111 5.2.2.7', '`private`', cc('private, max-age=60'), false),
  row(
    '9111 5.2.2.7',
    '`private` of a field is of that field',
    cc('max-age=60, private="x-secret"', { 'x-secret': '1' }),
    true,
  ),
  row('9111 5.2.2.7', '`private` of no field is of all', cc('max-age=60, private=""'), false),
  row('9111 5.2.2.8', '`proxy-revalidate` while fresh', cc('max-age=60, proxy-revalidate'), true),
  row('9111 5.2.2.9', '`public`', cc('public, max-age=60'), true),
  row('9111 5.2.2.10', '`s-maxage`', cc('s-maxage=60'), true),
  // What requests say.
  row('9111 5.2.1.1', '`max-age=0` of a request asks', cc('max-age=60'), false, {
    second: { 'cache-control': 'max-age=0' },
  }),
  row('9111 5.2.1.1', '`max-age` that it is not older than', cc('max-age=60', { age: '5' }), true, {
    second: { 'cache-control': 'max-age=30' },
  }),
  row('9111 5.2.1.1', '`max-age` that it is older than', cc('max-age=60', { age: '40' }), false, {
    second: { 'cache-control': 'max-age=30' },
  }),
  row('9111 5.2.1.2', '`max-stale` does not mind what is fresh', cc('max-age=60'), true, {
    second: { 'cache-control': 'max-stale' },
  }),
  row('9111 5.2.1.3', '`min-fresh` that is left', cc('max-age=60'), true, {
    second: { 'cache-control': 'min-fresh=30' },
  }),
  row('9111 5.2.1.3', '`min-fresh` that is not left', cc('max-age=60'), false, {
    second: { 'cache-control': 'min-fresh=90' },
  }),
  row('9111 5.2.1.4', '`no-cache` of a request asks', cc('max-age=60'), false, {
    second: { 'cache-control': 'no-cache' },
  }),
  row('9111 5.2.1.5', '`no-store` of a request stores nothing', cc('max-age=60'), false, {
    first: { 'cache-control': 'no-store' },
  }),
  row('9111 5.2.1.7', '`only-if-cached` of what is there', cc('max-age=60'), true, {
    second: { 'cache-control': 'only-if-cached' },
  }),
  row('9111 5.4', '`Pragma: no-cache` asks', cc('max-age=60'), false, { second: { pragma: 'no-cache' } }),
  row('9111 5.4', 'but not beside `Cache-Control`', cc('max-age=60'), true, {
    second: { pragma: 'no-cache', 'cache-control': 'max-stale=1' },
  }),
  row('9111 5.4', '`Pragma` of a response means nothing', cc('max-age=60', { pragma: 'no-cache' }), true),
  // What it varies by.
  row('9111 4.1', 'the same value', cc('max-age=60', { vary: 'x-a' }), true, {
    first: { 'x-a': '1' },
    second: { 'x-a': '1' },
  }),
  row('9111 4.1', 'another value', cc('max-age=60', { vary: 'x-a' }), false, {
    first: { 'x-a': '1' },
    second: { 'x-a': '2' },
  }),
  row('9111 4.1', 'absent is not there', cc('max-age=60', { vary: 'x-a' }), false, { first: { 'x-a': '1' } }),
  row('9111 4.1', 'absent twice', cc('max-age=60', { vary: 'x-a' }), true),
  row('9111 4.1', 'empty is not absent', cc('max-age=60', { vary: 'x-a' }), false, { second: { 'x-a': '' } }),
  row('9111 4.1', 'white space is normalised', cc('max-age=60', { vary: 'x-a' }), true, {
    first: { 'x-a': '1, 2' },
    second: { 'x-a': '1,2' },
  }),
  row('9111 4.1', 'names in any case, in several fields', cc('max-age=60', { vary: ['X-A', 'x-b'] }), false, {
    first: { 'x-b': '1' },
    second: { 'x-b': '2' },
  }),
  row('9111 4.1', '`*` never matches', cc('max-age=60', { vary: '*' }), false),
  row('9111 4.1', '`*` among others', cc('max-age=60', { vary: 'x-a, *' }), false),
  // RFC 9213.
  row(
    '9213 2.2',
    '`CDN-Cache-Control` before `Cache-Control`',
    cc('no-store', { 'cdn-cache-control': 'max-age=60' }),
    true,
  ),
  row('9213 2.2', 'and the other way', cc('max-age=60', { 'cdn-cache-control': 'no-store' }), false),
  row(
    '9213 2.2',
    'and before `Expires`',
    { headers: { expires: httpDate(60), 'cdn-cache-control': 'max-age=0' } },
    false,
  ),
  row(
    '9213 2.2',
    '`Expires` does not count beside it',
    { headers: { expires: httpDate(60), 'cdn-cache-control': 'public' } },
    false,
  ),
  row(
    '9213 2.2',
    'one that cannot be parsed is not there',
    cc('max-age=60', { 'cdn-cache-control': 'max-age=, no-store' }),
    true,
  ),
  row('9213 2.2', 'nor is one that is empty', cc('max-age=60', { 'cdn-cache-control': '' }), true),
  row('9213 2.1', 'parameters mean nothing', cc('no-store', { 'cdn-cache-control': 'max-age=60;x=1' }), true),
  row('9213 2.1', 'a string is no number', cc('no-store', { 'cdn-cache-control': 'max-age="60"' }), false),
  row('9213 2.1', 'a decimal is no lifetime', cc('no-store', { 'cdn-cache-control': 'max-age=60.5' }), false),
  // RFC 5861 and what forbids it.
  row('5861 3', '`stale-while-revalidate`', cc('max-age=10, stale-while-revalidate=60', { age: '20' }), true),
  row('5861 3', 'not longer than it says', cc('max-age=10, stale-while-revalidate=5', { age: '20' }), false),
  row(
    '9111 4.2.4',
    'not beside `must-revalidate`',
    cc('max-age=10, stale-while-revalidate=60, must-revalidate', { age: '20' }),
    false,
  ),
  row(
    '9111 4.2.4',
    'not beside `proxy-revalidate`',
    cc('max-age=10, stale-while-revalidate=60, proxy-revalidate', { age: '20' }),
    false,
  ),
  row('9111 4.2.4', 'not beside `s-maxage`', cc('s-maxage=10, stale-while-revalidate=60', { age: '20' }), false),
  row('9111 5.2.1.1', 'not for who names an age', cc('max-age=10, stale-while-revalidate=60', { age: '20' }), false, {
    second: { 'cache-control': 'max-age=30' },
  }),
  row(
    '9111 5.2.1.2',
    'unless he takes what is stale',
    cc('max-age=10, stale-while-revalidate=60', { age: '20' }),
    true,
    { second: { 'cache-control': 'max-age=30, max-stale=30' } },
  ),
  row('9111 5.2.1.2', 'but not as stale as that', cc('max-age=10, stale-while-revalidate=60', { age: '20' }), false, {
    second: { 'cache-control': 'max-stale=5' },
  }),
]

function rfc850(seconds: number): string {
  const date = new Date(Date.now() + seconds * 1_000)
  const day = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'][date.getUTCDay()]
  const [, number, month, year = '', time] = date.toUTCString().split(' ')
  return `${day}, ${number}-${month}-${year.slice(2)} ${time} GMT`
}

function asctime(seconds: number): string {
  const [day = '', number = '', month, year, time] = httpDate(seconds).split(' ')
  return `${day.slice(0, 3)} ${month} ${number.replace(/^0/, ' ')} ${time} ${year}`
}

t.test('the rules of the RFCs', async (t) => {
  const { url, asked, answer } = await openProxy(t)
  for (const [i, { section, rule, answer: given, first, second, reused }] of RULES.entries()) {
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
