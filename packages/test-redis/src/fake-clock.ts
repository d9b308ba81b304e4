import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const LIBRARY = 'faketime/libfaketime.so.1'
/** Where it shares memory between processes, which it cannot do without before 0.9.11. */
const SHARED = '/dev/shm'
/** It does so under these names and the process id, and leaves that behind when it is killed. */
const SHARED_NAMES = ['faketime_shm_', 'sem.faketime_sem_']

/**
 * Finds libfaketime, by which a server's clock can be set: the environment variable `LARDER_FAKETIME`, else where Debian and others
 * install it. `undefined` where it is not, or would not work.
 */
export function findFaketime(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (!existsSync(SHARED)) return undefined
  const named = env.LARDER_FAKETIME
  if (named !== undefined && named !== '') return named
  const architectures = existsSync('/usr/lib') ? readdirSync('/usr/lib').filter((name) => name.includes('-linux-')) : []
  const folders = [...architectures.map((name) => `/usr/lib/${name}`), '/usr/lib', '/usr/lib64', '/usr/local/lib']
  return folders.map((folder) => join(folder, LIBRARY)).find((path) => existsSync(path))
}

/** The clock of a process that can be set while it runs, by libfaketime. Only the time of day: the monotonic clock goes on. */
export class FakeClock {
  /** Comes before the command: a program that sets the environment of another one, and what it sets. */
  readonly command: readonly string[]
  readonly #file: string

  /**
   * @param folder - for the file that says how late it is
   * @throws Error when there is no libfaketime
   */
  constructor(folder: string, library: string | undefined = findFaketime()) {
    if (library === undefined) throw new Error('A clock that can be set needs libfaketime')
    this.#file = join(folder, 'clock')
    this.set(0)
    const settings = {
      // jemalloc asks for the time before libfaketime is ready, and hangs: glibc's own malloc comes before it.
      LD_PRELOAD: `${library}:libc.so.6`,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
      // Since 0.9.11; before, `forget` does it.
      FAKETIME_DISABLE_SHM: '1',
      NO_FAKE_STAT: '1',
    }
    this.command = ['env', ...Object.entries(settings).map(([name, value]) => `${name}=${value}`)]
  }

  /** Sets it so many milliseconds before (negative) or after the time of this machine. */
  set(offset: number): void {
    // In one act, since it is read at every look at the clock.
    writeFileSync(`${this.#file}.new`, `${offset < 0 ? '-' : '+'}${Math.abs(offset) / 1000}\n`)
    renameSync(`${this.#file}.new`, this.#file)
  }

  /** Removes what a process left behind that was killed. */
  forget(pid: number): void {
    for (const name of SHARED_NAMES) rmSync(join(SHARED, `${name}${pid}`), { force: true })
  }
}
