/** One way of doing the same thing. */
export interface Contender {
  readonly name: string
  /** Does it `times` times. */
  run(times: number): Promise<void>
}

/** What {@link compare} measures. */
export interface Comparison {
  readonly name: string
  /** Everything is given as a ratio to this one's speed. */
  readonly baseline: Contender
  readonly contenders: readonly Contender[]
  /** What the ratio of the first contender should reach at least. */
  readonly goal: number
  /** Times a contender does it in one round: enough for some 100 ms. */
  readonly times: number
  /** Default 15. */
  readonly rounds?: number
}

/** One line of the report. */
export interface Row {
  readonly name: string
  readonly contender: string
  /** Median of the ratios of all rounds, and the middle half of them. */
  readonly ratio: number
  readonly low: number
  readonly high: number
  /** Speed of this machine, for orientation only. */
  readonly perSecond: number
  readonly goal: number | undefined
}

async function time(contender: Contender, times: number): Promise<number> {
  const start = process.hrtime.bigint()
  await contender.run(times)
  return Number(process.hrtime.bigint() - start)
}

/** The value at a share of a sorted list. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

/**
 * Runs all contenders in every round, in rotated order, and takes the ratio within the round: what else the machine does hits all of
 * them. The first two rounds warm up.
 */
export async function compare({ name, baseline, contenders, goal, times, rounds = 15 }: Comparison): Promise<Row[]> {
  const all = [baseline, ...contenders]
  const ratios = contenders.map((): number[] => [])
  const speeds = all.map((): number[] => [])
  for (let round = -2; round < rounds; round++) {
    const taken: number[] = new Array(all.length)
    for (let i = 0; i < all.length; i++) {
      const which = (i + round + 2) % all.length
      taken[which] = await time(all[which] as Contender, times)
    }
    if (round < 0) continue
    taken.forEach((nanoseconds, i) => {
      speeds[i]?.push((times * 1e9) / nanoseconds)
      if (i > 0) ratios[i - 1]?.push((taken[0] as number) / nanoseconds)
    })
  }
  return all.map((contender, i) => {
    const own = i === 0 ? [1] : (ratios[i - 1] as number[])
    return {
      name,
      contender: contender.name,
      ratio: quantile(own, 0.5),
      low: quantile(own, 0.25),
      high: quantile(own, 0.75),
      perSecond: quantile(speeds[i] as number[], 0.5),
      goal: i === 1 ? goal : undefined,
    }
  })
}
