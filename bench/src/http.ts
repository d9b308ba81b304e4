import autocannon from 'autocannon'
import { type Comparison, type Contender, compare, type Row } from './harness.js'

/** How many connections ask at a time. */
export const CONNECTIONS = 50

function contender(name: string, url: string): Contender {
  return {
    name,
    run: async (amount) => {
      // Its end is noticed at the next sample.
      const { non2xx, errors } = await autocannon({ url, amount, connections: CONNECTIONS, sampleInt: 5 })
      if (non2xx + errors > 0) throw new Error(`${name}: ${non2xx} refused, ${errors} failed`)
    },
  }
}

/** Compares routes by how many requests a second they answer: the first one is the baseline, the second has the goal. */
export function compareRoutes(
  urls: Readonly<Record<string, string>>,
  comparison: Pick<Comparison, 'name' | 'goal' | 'times'>,
): Promise<Row[]> {
  const [baseline, ...contenders] = Object.entries(urls).map(([name, url]) => contender(name, url)) as [
    Contender,
    ...Contender[],
  ]
  return compare({ ...comparison, baseline, contenders })
}

/** Sends so many requests. */
export async function request(url: string, amount: number): Promise<void> {
  await contender(url, url).run(amount)
}
