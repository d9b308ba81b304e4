import { Clock } from '@larder/core'
import t from 'tap'

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
  const real = performance.now()
  const begun = clock.now()
  while (performance.now() < real + 50) clock.now()
  const took = clock.now() - begun
  t.ok(Math.abs(took - (performance.now() - real)) < 5, `${took} ms`)
})

t.test('it goes on while the machine sleeps, and never back when the wall clock is set', async (t) => {
  let monotonic = 5
  let wall = 1e12
  const clock = new Clock({ monotonic: () => monotonic, wall: () => wall })
  const begun = clock.now()
  const passed = (): number => clock.now() - begun
  monotonic += 10
  wall += 10
  t.equal(passed(), 10)
  wall += 3_600_000
  t.equal(passed(), 3_600_010)
  wall -= 7_200_000
  t.equal(passed(), 3_600_010)
  monotonic += 5
  t.equal(passed(), 3_600_015)
  wall += 60_000
  t.equal(passed(), 3_660_015)
})
