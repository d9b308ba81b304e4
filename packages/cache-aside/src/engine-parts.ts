import type { Namespace } from '@larder/core'
import type { DraftOptions } from './load.js'
import type { Loads } from './loads.js'
import type { Memory } from './memory.js'
import type { Reader } from './reader.js'
import type { Store } from './store.js'

/** What one registration is made of; its child namespaces share it. */
export interface EngineParts {
  readonly namespace: Namespace
  readonly store: Store
  readonly memory: Memory | undefined
  readonly reader: Reader
  readonly loads: Loads
  readonly draft: DraftOptions
  /** Milliseconds that a lease holds without renewal. */
  readonly lease: number
  /** Names of child namespaces, for whoever asks for the state: the first hundred. */
  readonly children: Set<string>
  /** Throws when nobody could invalidate tags. */
  requireTags(): void
}
