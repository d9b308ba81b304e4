import { Clock, Fence } from '@larder/core'
import fc from 'fast-check'
import t from 'tap'

/** Clocks that a test sets. */
class Hands {
  monotonic = 1_000
  wall = 1_700_000_000_000
  readings = 0

  pass(milliseconds: number): void {
    this.monotonic += milliseconds
    this.wall += milliseconds
  }

  clock(): Clock {
    return new Clock({
      monotonic: () => {
        this.readings++
        return this.monotonic
      },
      wall: () => this.wall,
    })
  }
}

t.test('the clock goes by whichever of its two sources went further, and never back', async (t) => {
  const hands = new Hands()
  const clock = hands.clock()
  t.equal(clock.now(), 0)
  hands.pass(10)
  t.equal(clock.now(), 10)
  hands.monotonic += 5
  hands.wall -= 3_600_000
  t.equal(clock.now(), 15, 'the wall clock was set back')
  hands.wall += 8_000
  t.equal(clock.now(), 8_015, 'the machine slept')
  hands.pass(1)
  t.equal(clock.now(), 8_016)
})

t.test('a processor that is taken away between the readings of the two sources is no sleep', async (t) => {
  const hands = new Hands()
  let away = 0
  const clock = new Clock({
    monotonic: () => {
      if (away > 0) hands.pass(14)
      away--
      return hands.monotonic
    },
    wall: () => {
      if (away > 0) hands.pass(14)
      away--
      return hands.wall
    },
  })
  const { monotonic } = hands
  for (let i = 0; i < 200; i++) {
    hands.pass(10)
    away = i % 8
    clock.now()
    t.equal(clock.now(), hands.monotonic - monotonic)
  }
  hands.wall += 8_000
  t.equal(clock.now(), hands.monotonic - monotonic + 8_000, 'the machine slept')
})

t.test('whatever the sources do, time does not go back and misses no step of the monotonic one', async () => {
  const steps = fc.array(fc.record({ monotonic: fc.nat(1_000), wall: fc.integer({ min: -10_000, max: 10_000 }) }))
  fc.assert(
    fc.property(steps, (all) => {
      const hands = new Hands()
      const clock = hands.clock()
      let before = clock.now()
      for (const { monotonic, wall } of all) {
        hands.monotonic += monotonic
        hands.wall += wall
        const now = clock.now()
        if (now < before + monotonic) return false
        before = now
      }
      return true
    }),
  )
})

t.test('a sampled clock is read at the first call of each turn of the event loop', async (t) => {
  const hands = new Hands()
  const clock = hands.clock()
  for (let turn = 1; turn <= 5; turn++) {
    hands.pass(500)
    t.equal(clock.sampled(), turn * 500)
    await new Promise(setImmediate)
  }
})

t.test('work between two hits of one turn is noticed at the second one', async (t) => {
  const hands = new Hands()
  const clock = hands.clock()
  t.equal(clock.sampled(), 0)
  hands.pass(3_000)
  t.equal(clock.sampled(), 3_000)
  hands.pass(3_000)
  t.equal(clock.sampled(), 6_000)
})

t.test('hits in a tight loop share a reading, sixteen at most', async (t) => {
  const hands = new Hands()
  const clock = hands.clock()
  for (let i = 0; i < 100; i++) clock.sampled()
  const before = hands.readings
  for (let i = 0; i < 160; i++) clock.sampled()
  t.equal(hands.readings - before, 10)
  hands.pass(3_000)
  let hits = 0
  while (clock.sampled() < 3_000) hits++
  t.ok(hits <= 15, `noticed after ${hits} hits`)
  hands.pass(1)
  t.equal(clock.sampled(), 3_001, 'after work each hit reads again')
})

t.test('a sampled clock leaves nothing behind when nobody asks it', async (t) => {
  const clock = new Clock()
  clock.sampled()
  await new Promise(setImmediate)
  await new Promise(setImmediate)
  t.notOk(process.getActiveResourcesInfo().includes('Immediate'))
})

t.test('a fence tells the reads that overlap a change of their key', async (t) => {
  const fence = new Fence()
  const before = fence.begin()
  fence.heard('key')
  const after = fence.begin()
  t.equal(fence.clear('key', before), false)
  t.equal(fence.clear('key', after), true)
  t.equal(fence.clear('other', before), true)
  fence.heardAll()
  const last = fence.begin()
  t.equal(fence.clear('other', before), false)
  t.equal(fence.clear('other', after), false)
  t.equal(fence.clear('other', last), true)
  for (let i = 0; i < 3; i++) fence.end()
})

t.test('a fence forgets nothing while a read is out, however much is heard', async () => {
  const action = fc.oneof(
    { weight: 3, arbitrary: fc.constant({ what: 'begin' as const }) },
    { weight: 3, arbitrary: fc.record({ what: fc.constant('end' as const), which: fc.nat(5) }) },
    { weight: 6, arbitrary: fc.record({ what: fc.constant('heard' as const), key: fc.constantFrom('a', 'b', 'c') }) },
    { weight: 1, arbitrary: fc.constant({ what: 'all' as const }) },
    { weight: 1, arbitrary: fc.constant({ what: 'flood' as const }) },
  )
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const fence = new Fence()
      const reads: { mark: number; touched: Set<string> }[] = []
      for (const one of actions) {
        if (one.what === 'begin') reads.push({ mark: fence.begin(), touched: new Set() })
        else if (one.what === 'heard') {
          fence.heard(one.key)
          for (const read of reads) read.touched.add(one.key)
        } else if (one.what === 'all') {
          fence.heardAll()
          for (const read of reads) for (const key of ['a', 'b', 'c', 'd']) read.touched.add(key)
        } else if (one.what === 'flood') {
          // More than it remembers: it may take too many for changed, never one too few.
          for (let i = 0; i < 1_200; i++) fence.heard(`flood ${i}`)
        } else if (reads.length > 0) {
          const [read] = reads.splice(one.which % reads.length, 1)
          for (const key of read?.touched ?? []) if (fence.clear(key, read?.mark as number)) return false
          fence.end()
        }
      }
      // A read that begins now has missed nothing.
      return ['a', 'b', 'd'].every((key) => fence.clear(key, fence.begin()))
    }),
    { numRuns: 500 },
  )
})

t.test('however often it is read, it goes as fast as the monotonic clock', async (t) => {
  let time = 1_000.4
  const clock = new Clock({ monotonic: () => time, wall: () => Math.floor(1e12 + time) })
  const begun = clock.now()
  for (let i = 0; i < 10_000; i++) {
    time += 0.1
    clock.now()
  }
  t.ok(Math.abs(clock.now() - begun - 1_000) < 0.001)
})

t.test('the real one goes as fast as the monotonic clock', async (t) => {
  const clock = new Clock()
  const before = performance.now()
  const begun = clock.now()
  const after = performance.now()
  while (performance.now() < after + 50) clock.now()
  // A busy machine may take the processor away between any two readings.
  const least = performance.now() - after
  const took = clock.now() - begun
  const most = performance.now() - before
  t.ok(took > least - 5 && took < most + 5, `${took} ms, and ${least} to ${most} ms`)
})
