/** Told how far a long step is: `done` of `total`, or neither while nobody knows. */
export type Progress = (step: string, done?: number, total?: number) => void

const BAR = 24

/**
 * Shows progress on a terminal as one line that redraws itself, elsewhere as a line a step.
 *
 * @example
 * const progress = showProgress(process.stdout)
 * progress('Loading products', 500, 5_000)
 */
export function showProgress(output: NodeJS.WriteStream): Progress {
  let last = ''
  return (step, done, total) => {
    const first = step !== last
    if (first && last !== '' && output.isTTY) output.write('\n')
    last = step
    if (output.isTTY) output.write(`\r\u001b[K  ${step}${bar(done, total)}`)
    else if (first) output.write(`  ${step}\n`)
    if (done !== undefined && done === total && output.isTTY) {
      output.write('\n')
      last = ''
    }
  }
}

function bar(done?: number, total?: number): string {
  if (done === undefined || total === undefined) return ' …'
  const filled = Math.round((BAR * done) / total)
  return ` [${'#'.repeat(filled)}${'-'.repeat(BAR - filled)}] ${done.toLocaleString('en')} of ${total.toLocaleString('en')}`
}
