import type { Label, Series } from './series.js'

/** Values of a label that the application chooses, at most; further ones count as `other`. */
const MOST_NAMES = 100

/** The labels of one cell. */
export type Labels = Readonly<Record<string, string>>

/** A number that only grows. */
export class Count {
  value = 0
  readonly labels: Labels

  constructor(labels: Labels) {
    this.labels = labels
  }

  add(amount = 1): void {
    this.value += amount
  }
}

/** How values are distributed over the buckets of a series. */
export class Distribution {
  readonly labels: Labels
  readonly #bounds: readonly number[]
  readonly #counts: number[]
  #count = 0
  /** Told of every value: who exports it. */
  readonly observers: ((value: number) => void)[] = []

  constructor(labels: Labels, bounds: readonly number[]) {
    this.labels = labels
    this.#bounds = bounds
    this.#counts = new Array(bounds.length + 1).fill(0)
  }

  add(value: number): void {
    let i = 0
    while (i < this.#bounds.length && value > (this.#bounds[i] as number)) i++
    this.#counts[i] = (this.#counts[i] as number) + 1
    this.#count++
    for (const observe of this.observers) observe(value)
  }

  get count(): number {
    return this.#count
  }

  /** The value under which this share lies, estimated as `histogram_quantile` does; `undefined` of nothing. */
  quantile(share: number): number | undefined {
    if (this.#count === 0) return undefined
    const wanted = share * this.#count
    let before = 0
    for (const [i, bound] of this.#bounds.entries()) {
      const here = this.#counts[i] as number
      const low = this.#bounds[i - 1] ?? 0
      if (here > 0 && before + here >= wanted) return low + ((bound - low) * (wanted - before)) / here
      before += here
    }
    return this.#bounds.at(-1)
  }
}

/** Seconds in milliseconds. */
export function inMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1_000
}

/** The cells of one series: one a combination of labels, made when it is first asked for. */
export class Family<Cell extends Count | Distribution> {
  readonly series: Series
  readonly #make: (labels: Labels) => Cell
  readonly #cells = new Map<string, Cell>()
  readonly #names = new Set<string>()
  #onCell: ((cell: Cell) => void)[] = []

  constructor(series: Series, make: (labels: Labels) => Cell) {
    this.series = series
    this.#make = make
  }

  /** The cell of these values, in the order of the series' labels. */
  cell(...values: string[]): Cell {
    const folded = values.map((value, i) => this.#fold(this.series.labels[i] as Label, value))
    const key = folded.join('\0')
    let cell = this.#cells.get(key)
    if (cell === undefined) {
      cell = this.#make(Object.fromEntries(folded.map((value, i) => [(this.series.labels[i] as Label).name, value])))
      this.#cells.set(key, cell)
      for (const tell of this.#onCell) tell(cell)
    }
    return cell
  }

  /** Makes the cells of all values of the closed labels; `names`: those that the application chose. */
  open(...names: string[]): void {
    let rows: string[][] = [names]
    for (const { values } of this.series.labels.slice(names.length)) {
      rows = rows.flatMap((row) => (values ?? []).map((value) => [...row, value]))
    }
    for (const row of rows) this.cell(...row)
  }

  get cells(): Iterable<Cell> {
    return this.#cells.values()
  }

  /** Is told of every cell, also of those that there are. */
  onCell(tell: (cell: Cell) => void): void {
    for (const cell of this.#cells.values()) tell(cell)
    this.#onCell.push(tell)
  }

  #fold({ values }: Label, value: string): string {
    if (values !== undefined) return values.includes(value) ? value : 'other'
    if (this.#names.has(value)) return value
    if (this.#names.size >= MOST_NAMES) return 'other'
    this.#names.add(value)
    return value
  }
}
