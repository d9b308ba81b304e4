import { Transform } from 'node:stream'
import { mkdirSync, writeFileSync } from 'node:fs'

export default class PlainReporter extends Transform {
  #rest = ''
  #counts = { total: 0, pass: 0, fail: 0, todo: 0, skip: 0 }
  #failing = -1
  #line (l) {
    const m = /^# \{ total: (\d+)(.*)\}$/.exec(l)
    if (m) {
      this.#counts.total = Number(m[1])
      for (const [, k, v] of m[2].matchAll(/(\w+): (\d+)/g)) this.#counts[k] = Number(v)
    }
    const indent = l.search(/\S/)
    if (/^\s*not ok (?!.*# (TODO|SKIP))/.test(l)) this.#failing = indent
    else if (this.#failing >= 0 && indent !== -1 && indent <= this.#failing) this.#failing = -1
    if (this.#failing >= 0 || /^(ok |#|Bail out|---|File |.* \|)/.test(l)) this.push(l + '\n')
  }
  _transform (chunk, enc, cb) {
    const lines = (this.#rest + chunk).split('\n')
    this.#rest = lines.pop()
    for (const l of lines) this.#line(l)
    cb()
  }
  _flush (cb) {
    if (this.#rest) this.#line(this.#rest)
    mkdirSync('.tap', { recursive: true })
    writeFileSync('.tap/summary.json', JSON.stringify(this.#counts) + '\n')
    cb()
  }
}
