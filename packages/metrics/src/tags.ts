import type { TagsEvent } from '@larder/tags'
import type { Book } from './book.js'
import { hear, type Recorder } from './recorder.js'
import * as SERIES from './series.js'

/** Tags, as `metrics.snapshot()` tells of them: calls of `invalidate()`. */
export interface TagsSnapshot {
  readonly hard: number
  readonly soft: number
}

/** What tags tell. */
export class Tags implements Recorder {
  readonly #end: () => void
  readonly #invalidations

  constructor(book: Book) {
    this.#invalidations = book.counter(SERIES.tagInvalidations)
    this.#end = hear<TagsEvent>(book, 'tags', ({ soft }) => this.#invalidations.cell(soft ? 'soft' : 'hard').add())
  }

  snapshot(): TagsSnapshot {
    return { hard: this.#invalidations.cell('hard').value, soft: this.#invalidations.cell('soft').value }
  }

  close(): void {
    this.#end()
  }
}
