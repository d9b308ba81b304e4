import { type Argument, Gate, type Log, loadScript, type RedisClient, type Reply } from '@larder/core'
import type { AlgorithmName } from './algorithm.js'
import type { Demand, LimitStore, Quota, Verdict } from './store.js'

const DECIDE = loadScript(import.meta.url, './decide.lua')

/** The sign of an algorithm in scripts and keys. */
export const SIGNS: Record<AlgorithmName, string> = { 'sliding-window': 's', gcra: 'g', 'fixed-window': 'f' }

/** Options of a {@link RedisStore}. */
export interface RedisStoreOptions {
  /** What every key begins with. */
  readonly prefix: string
  /** Milliseconds that a question may take. */
  readonly deadline: number
  readonly log: Log
}

/** Limits in Redis, one server, Sentinel or Cluster: one command, one key, the server's time. */
export class RedisStore implements LimitStore {
  readonly #gate: Gate
  readonly #prefix: string

  constructor(client: RedisClient, { prefix, deadline, log }: RedisStoreOptions) {
    this.#gate = new Gate(client, { deadline, log, together: 'round' })
    this.#prefix = prefix
  }

  /** Resolves when the client was connected for the first time, or is known to be down; at most after the deadline. */
  settled(): Promise<void> {
    return this.#gate.breaker.settled(this.#gate.deadline)
  }

  /** Ends the interest in the client, which stays open. */
  close(): void {
    this.#gate.close()
  }

  decide({ key, policies, cost, ban, penalty, take }: Demand): Promise<Verdict> {
    const args: Argument[] = [take ? 1 : 0, cost, ban, penalty]
    for (const { algorithm, max, window } of policies) args.push(SIGNS[algorithm], max, window)
    return this.#gate.run(DECIDE, [this.#prefix + key], args).then(toVerdict)
  }
}

function toVerdict(reply: Reply): Verdict {
  const numbers = reply as number[]
  const quotas: Quota[] = []
  for (let i = 2; i < numbers.length; i += 3) {
    quotas.push({ used: Number(numbers[i]), reset: Number(numbers[i + 1]), wait: Number(numbers[i + 2]) })
  }
  return { refusals: Number(numbers[0]), wait: Number(numbers[1]), quotas }
}
