// Drives every route of the shop as a user would, in memory, on one Redis and on Cluster, and prints what came of it.
import { checks } from './smoke/checks.js'
import { MODES, type Mode, SharedDatabase, startShops } from './smoke/modes.js'

type Result = { mode: Mode; check: number; milliseconds: number; error: unknown }

const database = new SharedDatabase()
const results: Result[] = []
process.once('SIGINT', () => process.exit(130))
process.once('SIGTERM', () => process.exit(143))

for (const mode of MODES) {
  process.stdout.write(`Driving the shop ${mode === 'memory' ? 'in memory' : `on ${mode}, two processes`}\n`)
  const shops = await startShops(mode, database)
  for (const [check, { run }] of checks.entries()) {
    const start = performance.now()
    const error = await run(shops).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    results.push({ mode, check, milliseconds: performance.now() - start, error })
  }
  await shops.stop()
}
await database.stop()

print()
process.exit(results.some(({ error }) => error !== undefined) ? 1 : 0)

function print(): void {
  const routeWidth = Math.max(...checks.map(({ route }) => route.length))
  const seesWidth = Math.max(...checks.map(({ sees }) => sees.length))
  const line = (route: string, sees: string, cells: string[]) =>
    `${route.padEnd(routeWidth)}  ${sees.padEnd(seesWidth)}  ${cells.map((cell) => cell.padEnd(10)).join('  ')}`.trimEnd()
  console.log(`\n${line('route', 'a user sees', [...MODES])}`)
  for (const [check, { route, sees }] of checks.entries())
    console.log(
      line(
        route,
        sees,
        MODES.map((mode) => cell(mode, check)),
      ),
    )
  for (const { mode, check, error } of results)
    if (error !== undefined) console.log(`\nFAILED ${mode}: ${checks[check]?.route}, ${checks[check]?.sees}\n`, error)
  const failed = results.filter(({ error }) => error !== undefined).length
  console.log(`\n${results.length - failed} passed, ${failed} failed`)
}

function cell(mode: Mode, check: number): string {
  const result = results.find((one) => one.mode === mode && one.check === check)
  if (result === undefined) return 'not run'
  return result.error === undefined ? `ok ${Math.round(result.milliseconds)} ms` : 'FAILED'
}
