import t from 'tap'
import { httpDate } from './origin.js'
import { cc, prove, type Rule, row } from './rules.js'

const FRESH = { 'cache-control': 'max-age=60' }
const BEARER = { authorization: 'Bearer 1' }

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
  row('9111 4.2.1', '`Expires` twice has expired', { headers: { expires: [httpDate(60), httpDate(90)] } }, false),
  row('9111 3', '`no-store` among several fields', cc(['max-age=60', 'no-store']), false),
  row('9111 3', 'a redirection with explicit freshness', { status: 302, ...cc('max-age=60', { location: '/' }) }, true),
  row('9111 3', 'but not one that says nothing', { status: 301, headers: { location: '/' } }, false),
  row('9111 3.5', '`no-cache` allows nothing by itself', cc('no-cache, max-age=60'), false, { first: BEARER }),
  row('9111 3.5', 'nor does `proxy-revalidate`', cc('max-age=60, proxy-revalidate'), false, { first: BEARER }),
  row('9111 3.5', '`private` is stronger than `public`', cc('public, private, max-age=60'), false),
  row('9111 3.5', '`s-maxage` does not outdo `no-store`', cc('s-maxage=60, no-store'), false, { first: BEARER }),
  row(
    '9111 7.3',
    '`public` with `Set-Cookie`: without the cookie',
    cc('public, max-age=60', { 'set-cookie': 'a' }),
    true,
  ),
  row('9111 7.3', '`s-maxage` is not enough', cc('s-maxage=60', { 'set-cookie': 'a' }), false),
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

prove(t, RULES)
