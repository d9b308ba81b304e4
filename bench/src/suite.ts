import type { Row } from './harness.js'

/** A measured figure that is no ratio of speeds. */
export interface Figure {
  readonly name: string
  readonly value: string
  readonly goal: string
  readonly reached: boolean
}

/** What a suite reports. */
export type Result = Row | Figure

/** A group of measurements; `npm run bench -- <name>` runs one. */
export interface Suite {
  readonly name: string
  run(): Promise<Result[]>
}
