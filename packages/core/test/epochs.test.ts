import {
  type Epoch,
  type EpochStore,
  Epochs,
  encodeTag,
  MemoryEpochStore,
  type Tag,
  type TagEpochs,
  type TagRecord,
} from '@larder/core'
import t from 'tap'

const [A, B, C] = ['a', 'b', 'c'].map(encodeTag) as [Tag, Tag, Tag]

/** A store whose replies wait until they are let go. */
class SlowStore implements EpochStore {
  readonly store = new MemoryEpochStore()
  calls: string[] = []
  #held: (() => void)[] | undefined

  hold(): void {
    this.#held = []
  }

  release(): void {
    for (const go of this.#held?.splice(0) ?? []) go()
    this.#held = undefined
  }

  async ensure(tags: readonly Tag[]): Promise<{ clock: Epoch; tags: (TagEpochs & { life: number })[] }> {
    this.calls.push(`ensure ${tags.join()}`)
    return this.#reply(await this.store.ensure(tags))
  }

  async read(tags: readonly Tag[]): Promise<(TagRecord | undefined)[]> {
    this.calls.push(`read ${tags.join()}`)
    return this.#reply(await this.store.read(tags))
  }

  async raise(tags: readonly Tag[], mode: 'hard' | 'soft'): Promise<Epoch> {
    this.calls.push(`raise ${tags.join()}`)
    return this.#reply(await this.store.raise(tags, mode))
  }

  #reply<R>(reply: R): Promise<R> {
    if (this.#held === undefined) return Promise.resolve(reply)
    return new Promise((resolve) => this.#held?.push(() => resolve(reply)))
  }
}

function epochsOf(): { epochs: Epochs; slow: SlowStore; trust: { trusted: boolean; time: number } } {
  const slow = new SlowStore()
  const trust = { trusted: true, time: 0 }
  return { slow, trust, epochs: new Epochs(slow, { trusted: () => trust.trusted, now: () => trust.time }) }
}

t.test('an entry is fresh, stale or invalid by the epochs of its tags', async (t) => {
  const { epochs } = epochsOf()
  const epoch = await epochs.ensure([A, B], 1_000)
  t.equal(epochs.verdict([A, B], epoch), 'fresh')
  t.equal(epochs.verdict([A, C], epoch), 'unknown')
  t.equal(epochs.verdict([], epoch), 'fresh')
  await epochs.raise([A], 'soft')
  epochs.heard(A)
  t.equal(await epochs.check([A, B], epoch), 'stale')
  await epochs.raise([B], 'hard')
  epochs.heard(B)
  t.equal(await epochs.check([A, B], epoch), 'invalid')
  t.equal(await epochs.check([A, C], epoch), 'invalid', 'a missing tag means invalid, also beside a stale one')
  t.equal(await epochs.check([A], epoch), 'stale')
  t.equal(await epochs.check([A, B], await epochs.ensure([A, B], 1_000)), 'fresh')
})

t.test('what is known is not asked for again, until it is heard to have changed', async (t) => {
  const { epochs, slow } = epochsOf()
  const epoch = await epochs.ensure([A, B], 1_000)
  slow.calls = []
  const { changes } = epochs
  t.equal(await epochs.check([A, B], epoch), 'fresh')
  t.equal(await epochs.admit([A, B], epoch, 1_000), 'fresh')
  t.same(slow.calls, [])
  t.equal(epochs.changes, changes)
  epochs.heard(B)
  t.equal(epochs.changes, changes + 1, 'hits compare this number')
  t.equal(epochs.verdict([A, B], epoch), 'unknown')
  t.equal(await epochs.check([A, B], epoch), 'fresh')
  t.same(slow.calls, ['read b'])
})

t.test('without trust in the feed nothing is known: every check reads', async (t) => {
  const { epochs, slow, trust } = epochsOf()
  const epoch = await epochs.ensure([A], 1_000)
  await slow.store.raise([A], 'hard')
  t.equal(epochs.verdict([A], epoch), 'fresh', 'while the feed is trusted it would have told')
  trust.trusted = false
  t.equal(epochs.verdict([A], epoch), 'unknown')
  t.equal(await epochs.check([A], epoch), 'invalid')
  t.equal(await epochs.admit([A], epoch, 1_000), 'invalid')
  slow.calls = []
  t.equal(await epochs.check([A], epoch), 'invalid')
  t.same(slow.calls, ['read a'], 'and what was read is not known afterwards')
  trust.trusted = true
  epochs.distrust()
  t.equal(epochs.verdict([A], epoch), 'unknown')
})

t.test('a tag that is heard to change while it is read is read again', async (t) => {
  const { epochs, slow } = epochsOf()
  const epoch = await epochs.ensure([A], 1_000)
  epochs.heard(A)
  slow.hold()
  const checking = epochs.check([A], epoch)
  const raised = slow.store.raise([A], 'hard')
  await raised
  epochs.heard(A)
  slow.release()
  t.equal(await checking, 'invalid')
  t.equal(epochs.verdict([A], epoch), 'invalid')
})

t.test('a tag that is heard to change while it is made is looked at again before an entry is stored', async (t) => {
  const { epochs, slow } = epochsOf()
  const epoch = await epochs.ensure([], 1_000)
  slow.hold()
  const admitting = epochs.admit([A], epoch, 1_000)
  await slow.store.raise([A], 'hard')
  epochs.heard(A)
  slow.release()
  t.equal(await admitting, 'invalid')
})

t.test('an invalidation holds in this process from its call on, and still when it resolves', async (t) => {
  const { epochs, slow } = epochsOf()
  const epoch = await epochs.ensure([A, B], 1_000)
  epochs.begin([A], 'hard')
  epochs.begin([B], 'soft')
  t.equal(epochs.verdict([A], epoch), 'invalid')
  t.equal(await epochs.check([B], epoch), 'stale')
  t.equal(await epochs.check([A, B], epoch + 1_000_000_000), 'invalid', 'also an entry that is about to be stored')
  await epochs.raise([A, B], 'hard')
  epochs.settle([A], 'hard')
  epochs.settle([B], 'soft')
  slow.calls = []
  t.equal(await epochs.check([A, B], epoch), 'invalid')
  t.same(slow.calls, ['read a,b'], 'what was read before is not known any more')
  t.equal(await epochs.check([A, B], await epochs.ensure([A, B], 1_000)), 'fresh')
})

t.test('of two invalidations of a tag at once the first one’s end does not end the second', async (t) => {
  const { epochs } = epochsOf()
  const epoch = await epochs.ensure([A], 1_000)
  epochs.begin([A], 'hard')
  epochs.begin([A], 'hard')
  epochs.settle([A], 'hard')
  t.equal(epochs.verdict([A], epoch), 'invalid')
  epochs.settle([A], 'hard')
  t.equal(await epochs.check([A], epoch), 'fresh')
})

t.test('an entry is admitted only with tags that live as long as it does', async (t) => {
  const { slow, trust } = epochsOf()
  const lives: number[] = []
  const short: EpochStore = {
    read: (tags) => slow.read(tags),
    raise: (tags, mode) => slow.raise(tags, mode),
    ensure: async (tags, need) => {
      lives.push(need)
      const { clock, tags: made } = await slow.ensure(tags)
      return { clock, tags: made.map((one) => ({ ...one, life: 2 * need })) }
    },
  }
  const epochs = new Epochs(short, { trusted: () => trust.trusted, now: () => trust.time })
  const epoch = await epochs.ensure([A], 1_000)
  t.equal(await epochs.admit([A], epoch, 2_000), 'fresh')
  t.same(lives, [1_000], 'it lives 2,000 ms')
  t.equal(await epochs.admit([A], epoch, 2_001), 'fresh')
  t.same(lives, [1_000, 2_001])
  trust.time = 2_002
  t.equal(await epochs.admit([A], epoch, 2_001), 'fresh')
  t.same(lives, [1_000, 2_001, 2_001])
  trust.time = 0
  epochs.heard(A)
  t.equal(await epochs.check([A], epoch), 'fresh')
  t.equal(await epochs.admit([A], epoch, 1), 'fresh')
  t.same(lives.length, 4, 'that a tag was read does not tell how long it lives')
})

t.test('all who ask for the clock in one turn share an answer, nobody later', async (t) => {
  const { epochs, slow } = epochsOf()
  const tags = [A]
  const [one, two, longer] = await Promise.all([
    epochs.ensure(tags, 1_000),
    epochs.ensure(tags, 1_000),
    epochs.ensure(tags, 2_000),
  ])
  t.equal(one, two)
  t.ok(longer)
  t.equal(slow.calls.length, 2, 'who needs the tags for longer asks for himself')
  const later = epochs.raise([A], 'hard').then(() => epochs.ensure(tags, 1_000))
  t.ok((await later) > one)
})

t.test('what was known when the feed was lost serves who would rather have that than fail', async (t) => {
  const { epochs, slow, trust } = epochsOf()
  const epoch = await epochs.ensure([A, B], 1_000)
  trust.trusted = false
  t.equal(epochs.verdict([A], epoch), 'unknown')
  t.equal(epochs.lastVerdict([A, B], epoch), 'fresh', 'a feed that is silent may be lost without our knowing')
  epochs.distrust()
  t.equal(epochs.verdict([A], epoch), 'unknown')
  t.equal(epochs.lastVerdict([A, B], epoch), 'fresh')
  t.equal(epochs.lastVerdict([A, C], epoch), 'invalid')
  epochs.distrust()
  t.equal(epochs.lastVerdict([A], epoch), 'fresh', 'a second loss changes nothing')
  epochs.begin([A], 'hard')
  t.equal(epochs.lastVerdict([A], epoch), 'invalid', 'less what was invalidated here')
  t.equal(epochs.lastVerdict([B], epoch), 'fresh')
  epochs.begin([B], 'soft')
  t.equal(epochs.lastVerdict([B], epoch), 'stale')
  epochs.heard(B)
  t.equal(epochs.lastVerdict([B], epoch), 'invalid')
  epochs.forget()
  t.equal(epochs.lastVerdict([B], epoch), 'invalid')
  t.ok(slow.calls.length)
})

t.test('the highest epoch that a process has seen goes with every tick', async (t) => {
  const seen: Epoch[] = []
  const store: EpochStore = {
    read: async (tags) => tags.map(() => ({ hard: 70, soft: 90, raised: 90 })),
    raise: async (_tags, _mode, highest) => {
      seen.push(highest)
      return highest + 1
    },
    ensure: async (tags, _need, highest) => {
      seen.push(highest)
      return { clock: 50, tags: tags.map(() => ({ hard: 60, soft: 60, life: 1e9 })) }
    },
  }
  const epochs = new Epochs(store, { trusted: () => true, now: () => 0 })
  await epochs.ensure([], 1)
  await epochs.ensure([A], 1)
  await epochs.ensure([], 1)
  await epochs.check([B], 10)
  await epochs.raise([A], 'hard')
  await epochs.raise([A], 'soft')
  t.same(seen, [0, 50, 60, 90, 91])
})

t.test('when a tag was last invalidated is asked of the store', async (t) => {
  const { epochs } = epochsOf()
  t.equal(await epochs.raised(A), undefined)
  await epochs.ensure([A], 1_000)
  t.equal(await epochs.raised(A), undefined, 'its making is no invalidation')
  await epochs.raise([A], 'soft')
  t.ok(Math.abs(((await epochs.raised(A)) as number) / 1_000 - Date.now()) < 5_000)
})

t.test('what is no tag is refused, and the message says what it was', (t) => {
  const refused: [tag: unknown, message: RegExp][] = [
    ['', /a tag of at least one character/],
    [undefined, /a tag to be a string, got undefined/],
    [3, /got a number/],
    [['a'], /got a Array/],
  ]
  for (const [tag, message] of refused) t.throws(() => encodeTag(tag as never), { code: 'LARDER_INVALID_KEY', message })
  t.end()
})

t.test('a process keeps to a bound of tags that it knows; one it forgot is read again', async (t) => {
  const { epochs, slow } = epochsOf()
  const epoch = await epochs.ensure([A], 1_000)
  for (let i = 0; i < 100; i++) {
    const many = Array.from({ length: 1_000 }, (_, j) => encodeTag(`tag ${i} ${j}`))
    await epochs.ensure(many, 1_000)
  }
  t.equal(epochs.verdict([A], epoch), 'unknown')
  slow.calls = []
  t.equal(await epochs.check([A], epoch), 'invalid', 'the store in memory forgot it, too: that costs a load')
  t.same(slow.calls, ['read a'])
})
