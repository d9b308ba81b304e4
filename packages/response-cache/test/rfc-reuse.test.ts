import t from 'tap'
import { initialAge } from '../dist/age.js'
import { httpDate } from './origin.js'
import { cc, prove, type Rule, row } from './rules.js'

const RULES: readonly Rule[] = [
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
  row(
    '9111 5.2.2.3',
    '`must-understand` falls back to `no-store`',
    { status: 499, ...cc('must-understand, no-store, max-age=60') },
    false,
  ),
  row('9111 5.2.2.6', '`no-transform`', cc('max-age=60, no-transform', { 'content-encoding': 'x' }), true),
  row(
    '9111 4.2.4',
    'not beside `no-cache`',
    cc('no-cache, max-age=10, stale-while-revalidate=60', { age: '20' }),
    false,
  ),
  row('9111 4.2.4', 'not without being allowed', cc('max-age=10', { age: '20' }), false),
  row(
    '9111 5.2.1.7',
    '`only-if-cached` of what is stale and may be served',
    cc('max-age=10, stale-while-revalidate=60', { age: '20' }),
    true,
    {
      second: { 'cache-control': 'only-if-cached' },
    },
  ),
  row('9111 5.2.1', 'directives of a request in any case', cc('max-age=60'), false, {
    second: { 'cache-control': 'NO-CACHE' },
  }),
  row('9111 5.2.1', 'unknown ones mean nothing', cc('max-age=60'), true, {
    second: { 'cache-control': 'x, y="no-cache"' },
  }),
  row('9111 5.2.1.1', '`max-age` that is no number asks', cc('max-age=60'), false, {
    second: { 'cache-control': 'max-age=soon' },
  }),
  row('9111 4.3.2', '`If-Match` is for the origin', cc('max-age=60', { etag: '"1"' }), false, {
    second: { 'if-match': '"1"' },
  }),
  row('9111 4.3.2', 'so is `If-Unmodified-Since`', cc('max-age=60'), false, {
    second: { 'if-unmodified-since': httpDate(0) },
  }),
  row('9111 4.3.2', 'so is `If-Range`', cc('max-age=60'), false, { second: { range: 'bytes=0-1', 'if-range': '"1"' } }),
  row('9111 4.1', 'names of `Vary` in another order', cc('max-age=60', { vary: 'x-b,X-A ,x-a' }), true, {
    first: { 'x-a': '1', 'x-b': '2' },
    second: { 'x-b': '2', 'x-a': '1' },
  }),
  row('9111 4.1', 'values in another order are others', cc('max-age=60', { vary: 'accept-language' }), false, {
    first: { 'accept-language': 'de, en' },
    second: { 'accept-language': 'en, de' },
  }),
  row('9111 4.1', 'several fields are one list', cc('max-age=60', { vary: 'x-a' }), true, {
    first: { 'x-a': ['1', '2'] },
    second: { 'x-a': '1, 2' },
  }),
  row('9111 4.1', 'the case of a language means nothing', cc('max-age=60', { vary: 'Accept-Language' }), true, {
    first: { 'accept-language': 'DE;Q=1.0 , en' },
    second: { 'accept-language': 'de, EN' },
  }),
  row('9111 4.1', 'that of any other field does', cc('max-age=60', { vary: 'x-a' }), false, {
    first: { 'x-a': 'a' },
    second: { 'x-a': 'A' },
  }),
  row('9111 4.1', '`Vary` of nothing', cc('max-age=60', { vary: ' , ' }), true),
  row('9111 4.1', 'a field of the same name as its value', cc('max-age=60', { vary: 'x-a, x-b' }), false, {
    first: { 'x-a': 'x-b', 'x-b': '' },
    second: { 'x-a': '', 'x-b': 'x-b' },
  }),
]

t.test('RFC 9111 4.2.3: the time that a response took counts, where it told an age', async (t) => {
  const transit = { asked: 1_000_000, came: 1_005_000 }
  t.equal(initialAge({ age: '10' }, transit), 15_000)
  t.equal(initialAge({}, transit), 0)
  t.equal(initialAge({ date: new Date(1_003_000).toUTCString() }, transit), 2_000)
  t.equal(initialAge({ date: new Date(2_000_000).toUTCString() }, transit), 0, 'a clock that is ahead')
})

prove(t, RULES)
