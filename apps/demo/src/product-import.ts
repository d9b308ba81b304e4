import type { Readable } from 'node:stream'
import { type Static, Type } from 'typebox'
import type { Catalogue } from './catalogue.js'
import type { Database } from './database.js'
import { ImportRejectedError } from './errors.js'
import { MAX_LINE, readLines } from './lines.js'
import { Id, ProductChange, ProductDraft } from './product.js'
import { type ImportRow, upsertProducts } from './product-table.js'

/** A line with an id changes that product, one without makes a new one. */
export const ImportChange = Type.Object({ id: Id, ...ProductChange.properties }, { additionalProperties: false })

/** What became of an import. */
export const ImportReport = Type.Object({
  created: Type.Integer(),
  updated: Type.Integer(),
  failed: Type.Integer({ description: 'Lines that were not taken' }),
  errors: Type.Array(Type.Object({ line: Type.Integer(), message: Type.String() }), {
    description: 'The first 100 of them',
  }),
})
export type ImportReport = Static<typeof ImportReport>

/** Says what is wrong with a value by a schema, `undefined` when nothing is. */
export type Check = (schema: typeof ProductDraft | typeof ImportChange, value: object) => string | undefined

const BATCH = 500
const MAX_ERRORS = 100

type NumberedRow = { line: number; row: ImportRow }

/**
 * Takes a stream of NDJSON into the catalogue, by batches of one transaction each: it holds one batch at a time, and the sender
 * waits while the database works. Good lines are kept although others are bad. Ends with one invalidation, also when the
 * sender goes away half-way.
 */
export class ProductImport {
  readonly #database: Database
  readonly #catalogue: Catalogue
  readonly #check: Check
  readonly #report: ImportReport = { created: 0, updated: 0, failed: 0, errors: [] }
  #categories: ReadonlySet<number> = new Set()
  #batch: NumberedRow[] = []
  #line = 0

  constructor(database: Database, catalogue: Catalogue, check: Check) {
    this.#database = database
    this.#catalogue = catalogue
    this.#check = check
  }

  /** @throws ImportRejectedError when no line could be taken */
  async run(body: Readable): Promise<ImportReport> {
    const { rows } = await this.#database.query<{ id: number }>('SELECT id FROM shop.categories')
    this.#categories = new Set(rows.map(({ id }) => id))
    try {
      for await (const text of readLines(body)) {
        this.#line++
        if (text === undefined) this.#fail(this.#line, `is longer than ${MAX_LINE} characters`)
        else if (text.trim() !== '') this.#take(text)
        if (this.#batch.length >= BATCH) await this.#store()
      }
      await this.#store()
    } finally {
      if (this.#report.created + this.#report.updated > 0) await this.#catalogue.renew()
    }
    return this.#outcome()
  }

  #take(text: string): void {
    const row = parse(text)
    const complaint = typeof row === 'string' ? row : this.#complaintAbout(row)
    if (complaint !== undefined) this.#fail(this.#line, complaint)
    else this.#batch.push({ line: this.#line, row: row as ImportRow }) // checked
  }

  #complaintAbout(row: ImportRow): string | undefined {
    const complaint = this.#check('id' in row ? ImportChange : ProductDraft, row)
    if (complaint !== undefined || row.categoryId === undefined || this.#categories.has(row.categoryId))
      return complaint
    return 'categoryId must be the id of a category'
  }

  async #store(): Promise<void> {
    const batch = this.#batch
    this.#batch = []
    if (batch.length === 0) return
    // Of several changes of one product in a batch the database would take any: they are folded, the last one wins.
    const changes = new Map<number, ImportRow>()
    for (const { row } of batch) if (row.id !== undefined) changes.set(row.id, { ...changes.get(row.id), ...row })
    const drafts = batch.filter(({ row }) => row.id === undefined).map(({ row }) => row)
    const changed = new Set(
      await this.#database.transaction((transaction) => upsertProducts(transaction, [...drafts, ...changes.values()])),
    )
    this.#report.created += drafts.length
    for (const { line, row } of batch) {
      if (row.id === undefined) continue
      if (changed.has(row.id)) this.#report.updated++
      else this.#fail(line, `there is no product ${row.id}`)
    }
  }

  #fail(line: number, message: string): void {
    this.#report.failed++
    if (this.#report.errors.length < MAX_ERRORS) this.#report.errors.push({ line, message })
  }

  #outcome(): ImportReport {
    const { created, updated, failed, errors } = this.#report
    errors.sort((a, b) => a.line - b.line)
    if (created + updated > 0) return this.#report
    const first = errors[0] ?? { line: 1, message: 'is missing' }
    const others = failed > 1 ? ` (and ${failed - 1} further lines)` : ''
    throw new ImportRejectedError(`Line ${first.line}: ${first.message}${others}`)
  }
}

/** The object on a line, or what is wrong with it. */
function parse(text: string): ImportRow | string {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : 'must be a JSON object'
  } catch {
    return 'must be JSON'
  }
}
