import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { findServerBinary, pollUntil, startRedis } from '@larder/test-redis'
import t, { type Test } from 'tap'

type Orphans = { pids: number[]; folders: string[] }

/** A process that started servers and workers, some of them suspended. */
async function parent(t: Test, way: string): Promise<{ process: ChildProcess; orphans: Orphans }> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./orphan.js', import.meta.url)), way], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const [line] = await once(createInterface(child.stdout), 'line')
  return { process: child, orphans: JSON.parse(line) }
}

async function gone(t: Test, { pids, folders }: Orphans): Promise<void> {
  t.equal(pids.length, 4)
  await pollUntil('the orphans to end', () => !pids.some(isAlive), 5000)
  await pollUntil('their folders to go', () => !folders.some((folder) => existsSync(folder)), 5000)
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

t.test('servers and workers die with a parent that is killed', async (t) => {
  const { process: child, orphans } = await parent(t, 'wait')
  t.ok(orphans.pids.every(isAlive))
  child.kill('SIGKILL')
  await gone(t, orphans)
})

t.test('servers and workers die with a parent that crashes', async (t) => {
  const { process: child, orphans } = await parent(t, 'crash')
  if (child.exitCode === null) await once(child, 'exit')
  t.equal(child.exitCode, 1)
  await gone(t, orphans)
})

t.test('servers and workers that nobody stops do not keep their parent alive', async (t) => {
  const { process: child, orphans } = await parent(t, 'end')
  if (child.exitCode === null) await once(child, 'exit')
  t.equal(child.exitCode, 0)
  await gone(t, orphans)
})

t.test('a server that does not start says why', async (t) => {
  await t.rejects(startRedis({ args: ['--no-such-option', '1'] }), /ended with code 1[\s\S]*no-such-option/)
})

t.test('finds the server by REDIS_SERVER, else on PATH, else says what to do', async (t) => {
  const binary = findServerBinary()
  t.equal(findServerBinary({ REDIS_SERVER: binary }), binary)
  t.throws(() => findServerBinary({ REDIS_SERVER: '/no/such/file' }), /REDIS_SERVER names \/no\/such\/file/)
  t.throws(() => findServerBinary({ PATH: '/no/such/folder' }), /install redis-server or valkey-server/)
})
