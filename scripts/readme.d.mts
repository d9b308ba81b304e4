/** What one block printed. */
export interface Ran {
  readonly name: string
  readonly output: string
}

export function runReadme(
  files: readonly string[],
  folder: string,
  options?: { env?: Record<string, string>; exit?: boolean },
): Ran[]
