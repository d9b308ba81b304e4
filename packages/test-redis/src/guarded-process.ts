import { type ChildProcess, type SerializationType, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Runs a command and kills it as soon as the process that asked for it is gone, however it went: the shell's
 * standard input is a pipe from that process, and the kernel closes it at its death. SIGKILL, since it ends
 * stopped processes too. The shell is in a session of its own and deaf to Ctrl-C, so that it outlives its parent.
 *
 * $1 is a folder to remove then ('' for none), the rest is the command. The first line printed is the command's pid.
 * Descriptor 3 may be an IPC channel: only the command keeps it open. The shell exits as the command does.
 */
const GUARD = `
trap '' HUP INT TERM
folder=$1; shift
exec 4<&0
{ trap - HUP INT TERM; exec "$@" </dev/null 4<&-; } &
command=$!
exec 3<&-
echo "$command"
{
  trap - TERM
  cat <&4
  trap '' TERM
  kill -9 "$command"
  [ -z "$folder" ] || rm -rf "$folder"
} >/dev/null 2>&1 &
watcher=$!
exec 4<&- >/dev/null 2>&1
wait "$command"
status=$?
kill -TERM "$watcher"
exit "$status"
`

/** How a process ended. */
export type Exit = { code: number }

/** What {@link GuardedProcess.start} takes. */
export type GuardedOptions = {
  /** The command and its arguments. */
  command: string[]
  /** A folder to remove if this process dies first. */
  folder?: string
  /** The command's environment. Default: this process's. */
  env?: NodeJS.ProcessEnv
  /** Opens an IPC channel with this serialization. Default: no channel. */
  ipc?: SerializationType
  /** Called with what the command prints on standard output and standard error. */
  onOutput: (text: string) => void
}

/** A child process that never outlives this one. */
export class GuardedProcess {
  /** The pid of the command itself. */
  readonly pid: number
  /** The child that carries the IPC channel, when one was asked for. */
  readonly channel: ChildProcess
  /** Resolves when the command has ended. Its code is 128 + the signal's number after a signal. */
  readonly exited: Promise<Exit>
  #running = true
  #holds = 0

  private constructor(shell: ChildProcess, pid: number, exited: Promise<Exit>) {
    this.pid = pid
    this.channel = shell
    this.exited = exited.then((exit) => {
      this.#running = false
      return exit
    })
  }

  /** Starts the command. It does not keep this process alive. */
  static async start(options: GuardedOptions): Promise<GuardedProcess> {
    const shell = spawn('sh', ['-c', GUARD, 'guard', options.folder ?? '', ...options.command], {
      detached: true,
      stdio: options.ipc ? ['pipe', 'pipe', 'pipe', 'ipc'] : ['pipe', 'pipe', 'pipe'],
      env: options.env ?? process.env,
      ...(options.ipc ? { serialization: options.ipc } : {}),
    })
    // The channel may have messages left when the process has gone.
    const drained = options.ipc ? new Promise<void>((resolve) => shell.once('disconnect', resolve)) : undefined
    const exited = new Promise<Exit>((resolve, reject) => {
      shell.once('error', reject)
      // 'close' comes after the last output, 'exit' may come before it.
      shell.once('close', async (code) => {
        shell.stdin?.destroy()
        await drained
        resolve({ code: code ?? 1 })
      })
    })
    shell.stdin?.on('error', () => {})
    shell.stdout?.setEncoding('utf8')
    shell.stderr?.setEncoding('utf8').on('data', options.onOutput)
    const pid = await Promise.race([
      firstLine(shell, options.onOutput),
      exited.then(({ code }) => {
        throw new Error(`${options.command[0]} could not be started (exit code ${code})`)
      }),
    ])
    const guarded = new GuardedProcess(shell, Number(pid), exited)
    // A child holds its parent until told otherwise.
    guarded.#holds++
    guarded.release()
    return guarded
  }

  /** Whether the command still runs; a stopped one does. */
  get running(): boolean {
    return this.#running
  }

  /** Sends a signal to the command, if it still runs. */
  signal(signal: NodeJS.Signals): void {
    if (!this.#running) return
    try {
      process.kill(this.pid, signal)
    } catch (error) {
      // It may have ended a moment ago.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }

  /** Suspends the command (SIGSTOP) and resolves when it no longer runs a line. */
  async pause(): Promise<void> {
    this.signal('SIGSTOP')
    if (process.platform !== 'linux') return
    while (this.#running && !isSuspended(this.pid)) await sleep(1)
  }

  /** Lets a suspended command run on (SIGCONT). */
  resume(): void {
    this.signal('SIGCONT')
  }

  /** Ends the command with a signal, or with SIGKILL when it still runs after `patience` milliseconds. */
  async end(signal: NodeJS.Signals, patience = 2000): Promise<Exit> {
    this.hold()
    if (signal !== 'SIGKILL') this.resume()
    this.signal(signal)
    const timer = setTimeout(() => this.signal('SIGKILL'), patience)
    try {
      return await this.exited
    } finally {
      clearTimeout(timer)
    }
  }

  /** Keeps this process alive, as long as the command lives, until {@link release}. */
  hold(): void {
    this.#holds++
    this.channel.ref()
    for (const pipe of pipesOf(this.channel)) pipe.ref?.()
  }

  /** Lets this process end, and the command with it, when each {@link hold} is released. */
  release(): void {
    if (--this.#holds > 0) return
    this.channel.unref()
    for (const pipe of pipesOf(this.channel)) pipe.unref?.()
  }
}

type Pipe = { ref?: () => void; unref?: () => void }

/** The pipes to a child are sockets, which its type does not say; nor does it say that channels can be held. */
function pipesOf(child: ChildProcess): Pipe[] {
  return [child.stdin, child.stdout, child.stderr, child.channel].filter(Boolean) as Pipe[]
}

function firstLine(shell: ChildProcess, onOutput: (text: string) => void): Promise<string> {
  return new Promise((resolve) => {
    let start = ''
    let found = false
    shell.stdout?.on('data', (text: string) => {
      if (found) return onOutput(text)
      start += text
      const end = start.indexOf('\n')
      if (end === -1) return
      found = true
      resolve(start.slice(0, end))
      if (start.length > end + 1) onOutput(start.slice(end + 1))
    })
  })
}

/** The state of a process is the first word after its name, which stands in brackets (proc(5)). */
function isSuspended(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) === 'T'
  } catch {
    return true
  }
}
