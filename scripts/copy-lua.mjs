// Copies a package's Lua sources beside its compiled modules, where `loadScript(import.meta.url, …)` reads them.
import { cpSync, mkdirSync } from 'node:fs'

mkdirSync('dist', { recursive: true })
cpSync('src', 'dist', { recursive: true, filter: (path) => !/\.[a-z]+$/.test(path) || path.endsWith('.lua') })
