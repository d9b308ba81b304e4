// The reporter of every package's tests: one line a file, failures with their diagnostics, the names of what was
// skipped, and the counts in .tap/summary.json, which scripts/test.mjs adds up (turbo keeps it for cached runs).
import { mkdirSync, writeFileSync } from 'node:fs'
import { Transform } from 'node:stream'

/** @typedef {{ ok: boolean, name: string, directive?: string, reason?: string, time?: number }} Point */

const POINT = /^(not )?ok(?: \d+)?(?: - (.*?))?(?: # (SKIP|TODO|time=)\s*(.*?))?( \{)?$/i
const DEPTH = 4

export default class PlainReporter extends Transform {
  #rest = ''
  #counts = { total: 0, pass: 0, fail: 0, todo: 0, skip: 0 }
  /** What was skipped, with its path of names. */
  #skipped = []
  /** The subtests that are open, the file's own first, with what was counted in each. */
  #open = []
  /** The failed point whose diagnostics may follow. */
  #failed
  /** The lines of a diagnostics block, and how far they are indented. */
  #block

  #line(line) {
    const indent = line.search(/\S/)
    const text = line.trim()
    if (this.#block) return this.#diagnostic(line, indent, text)
    if (text === '---') {
      this.#block = { indent, lines: [], of: this.#failed }
      return
    }
    if (text === '' || text === '}' || /^(TAP version|pragma|\d+\.\.\d+)/.test(text)) return
    const depth = indent / DEPTH
    const subtest = /^# Subtest: (.*)$/.exec(text)
    if (subtest) return this.#enter(depth, subtest[1])
    if (text.startsWith('#')) return this.#comment(depth, text)
    const point = POINT.exec(text)
    if (point) return this.#point(depth, point)
    this.#say(line)
  }

  #enter(depth, name) {
    this.#open.length = depth
    this.#open[depth] = { name, pass: 0, fail: 0, skip: 0 }
  }

  #comment(depth, text) {
    const totals = /^# \{ total: (\d+)(.*)\}$/.exec(text)
    if (depth === 0 && totals) {
      this.#counts.total = Number(totals[1])
      for (const [, key, count] of totals[2].matchAll(/(\w+): (\d+)/g)) this.#counts[key] = Number(count)
    } else if (depth > 0 && !/^# (time=|No coverage)/.test(text)) this.#say(`  ${text}`)
  }

  #point(depth, [, not, name = '(no name)', directive, detail, brace]) {
    const ok = !not
    if (brace) return this.#enter(depth, name)
    const subtest = this.#open[depth]
    this.#open.length = depth
    this.#failed = undefined
    const path = [...this.#open.map((it) => it.name), name]
    if (/skip|todo/i.test(directive ?? '')) {
      this.#count('skip')
      this.#skipped.push({ name: title(path), reason: detail })
    } else if (depth === 0 && subtest) this.#endFile(ok, name, subtest, detail)
    else if (!ok && !subtest?.fail) this.#fail(path)
    // A subtest without a point of its own is one itself.
    else if (ok && (!subtest || subtest.pass + subtest.skip === 0)) this.#count('pass')
  }

  #count(what) {
    for (const subtest of this.#open) subtest[what]++
  }

  #fail(path) {
    this.#count('fail')
    this.#failed = path
    this.#say(`  FAILED ${title(path)}`)
  }

  #endFile(ok, name, { name: file, pass, fail, skip }, time) {
    const counts = [`${pass} passed`, fail && `${fail} failed`, skip && `${skip} skipped`].filter(Boolean).join(', ')
    const seconds = Number.parseFloat(time) / 1000
    // A file that takes too long ends as 'timeout!'.
    const end = name === file ? '' : `${name} `
    this.#say(
      `${ok ? 'ok    ' : 'not ok'} ${source(file)}: ${end}${counts}${seconds ? ` (${seconds.toFixed(1)} s)` : ''}`,
    )
    // A file can fail as a whole: its process was killed, or took too long.
    if (!ok && fail === 0) this.#fail([file])
  }

  #diagnostic(line, indent, text) {
    const { indent: start, lines, of } = this.#block
    if (text !== '...' || indent !== start) {
      lines.push(line.slice(start))
      return
    }
    this.#block = undefined
    if (of) for (const kept of withoutPosition(lines)) this.#say(`    ${kept}`)
    this.#failed = undefined
  }

  #say(line) {
    this.push(`${line}\n`)
  }

  _transform(chunk, _encoding, done) {
    const lines = (this.#rest + chunk).split('\n')
    this.#rest = lines.pop()
    for (const line of lines) this.#line(line)
    done()
  }

  _flush(done) {
    if (this.#rest) this.#line(this.#rest)
    for (const { name, reason } of this.#skipped) this.#say(`skipped ${name}${reason ? ` (${reason})` : ''}`)
    mkdirSync('.tap', { recursive: true })
    writeFileSync('.tap/summary.json', `${JSON.stringify({ ...this.#counts, skipped: this.#skipped })}\n`)
    done()
  }
}

/** A test's path of names, the file's as its author knows it. */
function title([file, ...names]) {
  return [source(file), ...names].join(' > ')
}

/** `dist-test/x.test.js` is compiled from `test/x.test.ts`. */
function source(file) {
  return file.replace(/^dist-test\/(.*)\.js$/, 'test/$1.ts')
}

/** Leaves out the position where the stack says it, too. */
function withoutPosition(lines) {
  if (!lines.some((line) => line.startsWith('stack:'))) return lines
  let inPosition = false
  return lines.filter((line) => {
    if (/^\S/.test(line)) inPosition = line === 'at:'
    return !inPosition
  })
}
