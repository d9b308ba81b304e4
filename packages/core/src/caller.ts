import type { Script } from './script.js'

/** What Redis answers, with Buffers for strings. */
export type Reply = Buffer | number | bigint | null | undefined | Error | Reply[]
/** What a command takes. */
export type Argument = string | number | Buffer

/** Who sends commands: a {@link Gate}, or its {@link Gate.unguarded} face. */
export interface Caller {
  /** Any command. `late` is told of a reply that came after the deadline. */
  call(name: string, args: Argument[], late?: (reply: Reply) => void): Promise<Reply>
  /** A script, by its SHA-1; its source is sent where the server does not know it. */
  run(script: Script, keys: readonly string[], args: Argument[], late?: (reply: Reply) => void): Promise<Reply>
}

/** Runs a script by its SHA-1, or by its source where the server does not know it. */
export async function evaluate(
  redis: Caller,
  script: Script,
  keys: readonly string[],
  args: Argument[],
  late: ((reply: Reply) => void) | undefined,
): Promise<Reply> {
  const rest = [keys.length, ...keys, ...args]
  try {
    return await redis.call('evalsha', [script.sha, ...rest], late)
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
    return redis.call('eval', [script.source, ...rest], late)
  }
}
