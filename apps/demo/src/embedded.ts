import { randomUUID } from 'node:crypto'
import { PGlite } from '@electric-sql/pglite'
import type { Database } from './database.js'
import type { Progress } from './progress.js'
import { seed } from './seed.js'
import { Snapshot } from './snapshot.js'

/**
 * PostgreSQL inside this process, in memory: from the snapshot where there is one (about a second), else made anew. Changes
 * last as long as the process.
 */
export async function openEmbedded(onProgress: Progress): Promise<Database> {
  const pglite = await openPglite(onProgress)
  return {
    description: `PGlite inside this process (set DATABASE_URL to share one)`,
    // Two processes start with equal rows and part with their first change: each is a database of its own.
    identity: randomUUID(),
    query: (sql, parameters) => pglite.query(sql, parameters),
    transaction: (work) => pglite.transaction(work),
    close: () => pglite.close(),
  }
}

/** The filled database itself. */
export async function openPglite(onProgress: Progress = () => {}, snapshot = new Snapshot()): Promise<PGlite> {
  return (await restore(snapshot)) ?? (await make(snapshot, onProgress))
}

async function restore(snapshot: Snapshot): Promise<PGlite | undefined> {
  const archive = snapshot.read()
  if (archive === undefined) return undefined
  try {
    const pglite = await PGlite.create({ loadDataDir: new Blob([new Uint8Array(archive)]) })
    await pglite.query('SELECT 1 FROM shop.seed')
    return pglite
  } catch {
    snapshot.forget()
    return undefined
  }
}

async function make(snapshot: Snapshot, onProgress: Progress): Promise<PGlite> {
  onProgress('First start: making a database')
  const pglite = await PGlite.create()
  await pglite.transaction((transaction) => seed(transaction, onProgress))
  onProgress('Keeping a copy for the next start')
  // Else the next start would first repeat what the log says.
  await pglite.query('CHECKPOINT')
  const dump = await pglite.dumpDataDir('none')
  snapshot.write(new Uint8Array(await dump.arrayBuffer()))
  return pglite
}
