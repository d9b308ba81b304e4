import { Epochs, Fence, Namespace, type NamespaceListener, Outbox, RedisFeed } from '@larder/core'
import { Lease } from '../../../cache-aside/dist/lease.js'
import { Loads } from '../../../cache-aside/dist/loads.js'

type Prototype = Record<string, (...args: never[]) => unknown>

/** Replaces a method of the real code, until the returned function is called. */
function replace<K extends string>(
  of: { prototype: object },
  name: K,
  make: (real: (...args: never[]) => unknown) => (...args: never[]) => unknown,
): () => void {
  const prototype = of.prototype as Prototype
  const real = prototype[name] as (...args: never[]) => unknown
  prototype[name] = make(real)
  return () => {
    prototype[name] = real
  }
}

const nothing = () => () => undefined

/** Listeners that are not told when the feed is lost, or has come back. */
function tellNobody(): () => void {
  return replace(
    Namespace,
    'listen',
    (real) =>
      function (this: Namespace, listener: NamespaceListener) {
        return real.call(this as never, { ...listener, distrusted: () => {}, allChanged: () => {} } as never)
      } as never,
  )
}

/** A feed that is trusted for ever, also when it is silent. */
function trustForEver(): () => void {
  return replace(
    RedisFeed,
    'listen',
    (real) =>
      function (this: RedisFeed, ...args: never[]) {
        Object.defineProperty(this, 'trustedUntil', { get: () => Number.POSITIVE_INFINITY, set: () => {} })
        return real.apply(this as never, args)
      } as never,
  )
}

/** The real code with one thing broken: what the models of the protocol print as BROKEN, and what the client adds to it. */
export const MUTANTS = {
  'no fence: a reply that crosses a message is kept': () => [replace(Fence, 'clear', () => () => true)],
  'no connection epoch: a lost feed is told to nobody': () => [
    tellNobody(),
    replace(Epochs, 'distrust', nothing),
    replace(Epochs, 'forget', nothing),
  ],
  'a feed is trusted although it is silent': () => [trustForEver()],
  'an invalidation holds here only when the feed tells of it': () => [
    replace(Epochs, 'begin', nothing),
    replace(Epochs, 'settle', nothing),
  ],
  'a local change does not detach the load under way': () => [replace(Namespace, 'touch', nothing)],
  'a load under way is joined whatever was heard': () => [
    replace(
      Loads,
      'suspect',
      () =>
        function (this: Loads, key: string) {
          this.waits.wake(key)
        } as never,
    ),
  ],
  'what is heard of tags is ignored': () => [replace(Epochs, 'heard', nothing)],
  'what Redis tells of entries is ignored': () => [replace(Namespace, 'changed', nothing)],
  'what was invalidated while Redis was away is not repeated': () => [
    replace(Outbox, 'replay', () => () => Promise.resolve()),
  ],
  'a load that was voided is kept all the same': () => [
    replace(
      Lease,
      'fill',
      (real) =>
        async function (this: Lease, ...args: never[]) {
          await real.apply(this as never, args)
          return true
        } as never,
    ),
  ],
  'every entry is as valid as when it was stored': () => [
    replace(Epochs, 'verdict', () => () => 'fresh'),
    replace(Epochs, 'check', () => async () => 'fresh'),
  ],
} as const satisfies Record<string, () => (() => void)[]>

/** The name of a broken variant. */
export type Mutant = keyof typeof MUTANTS

/** Breaks the real code while `run` runs. */
export async function broken<T>(mutant: Mutant | undefined, run: () => Promise<T>): Promise<T> {
  const mend: (() => void)[] = mutant === undefined ? [] : MUTANTS[mutant]()
  try {
    return await run()
  } finally {
    for (const one of mend.reverse()) one()
  }
}
