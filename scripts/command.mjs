// Runs commands so that an interrupted script leaves nothing behind: each command leads a session of its own, by
// which everything that it starts can be found and ended.
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

/** How long an interrupted command may take to end, in milliseconds. */
const PATIENCE = 4000
/** Ctrl-C reaches a script twice, from the terminal and from npm, within this many milliseconds. */
const ECHO = 500
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']

const running = new Set()
/** When the first signal came. */
let interrupted

/**
 * Runs a command and resolves with its exit code. `SIGINT`, `SIGTERM` and `SIGHUP` are passed on to it; when it and
 * all that it started have ended, this process exits: with the command's own exit code when `passCode` is set, else
 * with that of the signal.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, stdio?: import('node:child_process').StdioOptions, passCode?: boolean,
 *   onLine?: (line: string) => void }} [options] - `onLine` takes what it prints, line by line
 * @returns {Promise<number>}
 */
export function run(
  command,
  args,
  { env = process.env, stdio = ['ignore', 'inherit', 'inherit'], passCode, onLine } = {},
) {
  if (interrupted !== undefined) return new Promise(() => {})
  const child = spawn(command, args, { env, stdio: onLine ? ['ignore', 'pipe', 'pipe'] : stdio, detached: true })
  const entry = { child, passCode, code: undefined }
  running.add(entry)
  if (onLine) for (const stream of [child.stdout, child.stderr]) eachLine(stream, onLine)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      entry.code = code ?? exitCode(signal)
      // An interrupted script goes on no further than to its end.
      if (interrupted !== undefined) return
      running.delete(entry)
      resolve(entry.code)
    })
  })
}

for (const signal of SIGNALS) process.on(signal, () => endAll(signal))
// npm starts a script through a shell, and both may be killed without a word to the script.
const parent = process.ppid
setInterval(() => process.ppid !== parent && interrupted === undefined && endAll('SIGTERM'), 500).unref()

async function endAll(signal) {
  if (interrupted !== undefined) {
    // Asked again, so at once.
    if (Date.now() - interrupted > ECHO) for (const { child } of running) sendToSession(child.pid, 'SIGKILL')
    return
  }
  interrupted = Date.now()
  for (const { child } of running) sendToSession(child.pid, signal)
  const end = Date.now() + PATIENCE
  const left = () => [...running].filter(({ child, code }) => code === undefined || membersOf(child.pid).length > 0)
  while (left().length > 0 && Date.now() < end) await sleep(20)
  for (const { child } of left()) sendToSession(child.pid, 'SIGKILL')
  const [last] = [...running].filter(({ passCode }) => passCode)
  process.exit(last?.code ?? exitCode(signal))
}

function exitCode(signal) {
  return 128 + (constants.signals[signal] ?? 0)
}

/** The first leaves the rest to the command itself, which knows in what order its children end. */
function sendToSession(leader, signal) {
  const pids = signal === 'SIGKILL' ? [...membersOf(leader), -leader] : [-leader]
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch {
      // It has ended.
    }
  }
}

/** The processes of a session, where the system tells (proc(5): state, parent, group, session follow the name). */
function membersOf(leader) {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && sessionOf(name) === leader)
      .map(Number)
  } catch {
    return []
  }
}

function sessionOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [state, , , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return state === 'Z' ? undefined : Number(session)
  } catch {
    return undefined
  }
}

function eachLine(stream, onLine) {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()
    for (const line of lines) onLine(line)
  })
  stream.on('end', () => rest && onLine(rest))
}
