import { pollUntil } from '@larder/test-redis'
import t from 'tap'
import { type Change, entry, type Pair, redisCli, startPair, watchChange } from './pair.js'

/*
 * What another program does to an entry of which a process keeps a copy. The heartbeat is a minute here, so only the feed can have told
 * of it.
 */

const HEARTBEAT = 60_000
/** What the slowest machine may take to hear, in milliseconds; how soon it really does is measured in bench/. */
const SOON = 10_000

const AT_ONCE: readonly Change[] = [
  ['SET', (pair) => redisCli(pair, 'SET', entry(pair), 'foreign')],
  ['DEL', (pair) => redisCli(pair, 'DEL', entry(pair))],
  ['UNLINK', (pair) => redisCli(pair, 'UNLINK', entry(pair))],
  ['GETDEL', (pair) => redisCli(pair, 'GETDEL', entry(pair))],
  ['EXPIRE, of a time gone by', (pair) => redisCli(pair, 'EXPIRE', entry(pair), '-1')],
  ['PEXPIREAT, of a time gone by', (pair) => redisCli(pair, 'PEXPIREAT', entry(pair), '1000')],
  ['RENAME, to another name', (pair) => redisCli(pair, 'RENAME', entry(pair), 'elsewhere')],
  ['RENAME, of something else to its name', (pair) => overwrite(pair, 'RENAME', 'something', entry(pair))],
  ['COPY, of something else over it', (pair) => overwrite(pair, 'COPY', 'something', entry(pair), 'REPLACE')],
  ['SETRANGE', (pair) => redisCli(pair, 'SETRANGE', entry(pair), '0', 'foreign')],
  ['MOVE, to another database', (pair) => redisCli(pair, 'MOVE', entry(pair), '1')],
  ['DEL of its tag', (pair) => redisCli(pair, 'DEL', tag(pair))],
  ['EXPIRE of its tag, of a time gone by', (pair) => redisCli(pair, 'EXPIRE', tag(pair), '-1')],
  ['RENAME of its tag', (pair) => redisCli(pair, 'RENAME', tag(pair), 'elsewhere')],
  ['FLUSHDB', (pair) => redisCli(pair, 'FLUSHDB')],
  ['FLUSHALL', (pair) => redisCli(pair, 'FLUSHALL')],
]

const tag = ({ namespace }: Pair): string => `{${namespace}}:t:tag`

async function overwrite(pair: Pair, ...command: [string, ...string[]]): Promise<number> {
  await redisCli(pair, 'SET', 'something', 'foreign')
  return redisCli(pair, ...command)
}

t.test('G1: a copy is gone as soon as its process hears of what another program did', async (t) => {
  const both = await startPair(t, HEARTBEAT)
  for (const [name, change] of AT_ONCE) {
    for (let round = 0; round < 3; round++) {
      const { firstNew, done } = await watchChange(both, change, `${name} ${round}`)
      if (firstNew - done > SOON || round === 2)
        t.ok(firstNew - done < SOON, `${name}: ${(firstNew - done).toFixed(2)} ms`)
      await redisCli(both, 'FLUSHALL')
    }
  }
})

type Shortening = readonly [name: string, keyOf: (pair: Pair) => string, ...command: [string, ...string[]]]

const LATER: readonly Shortening[] = [
  ['EXPIRE', entry, 'EXPIRE', '1'],
  ['PEXPIRE', entry, 'PEXPIRE', '700'],
  ['PEXPIREAT', entry, 'PEXPIREAT', 'in 700 ms'],
  ['GETEX', entry, 'GETEX', 'PX', '700'],
  ['EXPIRE of its tag', tag, 'EXPIRE', '1'],
]

/** Lives in milliseconds that are longer are none of theirs. */
const LONG = 5_000

t.test('G1: a copy outlives no life that another program gave its entry, or its tag', async (t) => {
  const both = await startPair(t, HEARTBEAT)
  const shorten = async ([, keyOf, command, ...args]: Shortening, looks: boolean): Promise<number> => {
    const times = args.map((arg) => (arg.startsWith('in') ? String(Date.now() + 700) : arg))
    await redisCli(both, command, keyOf(both), ...times)
    // What is kept from now on is kept of an entry that has little left to live.
    await both.a.call('keep', 'key', 'loaded anew')
    // Redis lets a key expire when somebody looks at it, or else when it comes by.
    if (!looks) return performance.timeOrigin + performance.now() + 1_000
    await pollUntil('its end', async () => {
      const left = await both.server.cli<number>('PTTL', keyOf(both))
      return left < 0 || left > LONG
    })
    return performance.timeOrigin + performance.now()
  }
  for (const one of LATER) {
    for (const looks of one[1] === entry && one[0] === 'EXPIRE' ? [true, false] : [true]) {
      const { firstNew, done } = await watchChange(both, () => shorten(one, looks), `${one[0]} ${looks}`)
      const lag = firstNew - done
      t.ok(lag < SOON, `${one[0]}: ${lag.toFixed(2)} ms after its end${looks ? '' : ', at which nobody looked'}`)
    }
  }
})

t.test('a copy of an entry that another program made eternal lives as long as it was meant to', async (t) => {
  const both = await startPair(t, HEARTBEAT)
  const persist = (): Promise<number> => redisCli(both, 'PERSIST', entry(both))
  const { firstNew, done } = await watchChange(both, persist, 'old', '1500')
  t.ok(firstNew - done < 1_500 + SOON)
  t.ok(await both.server.cli<number>('EXISTS', entry(both)), 'although Redis has it still')
})
