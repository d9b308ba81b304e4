import { startRedis, startWorker } from '@larder/test-redis'

// Started by life.test.ts, which kills it: starts one of everything and says their pids.
const server = await startRedis()
const suspended = await startRedis()
await suspended.pause()
const worker = await startWorker(new URL('./worker.js', import.meta.url))
const suspendedWorker = await startWorker(new URL('./worker.js', import.meta.url))
await suspendedWorker.pause()
const pids = [server, suspended, worker, suspendedWorker].map(({ pid }) => pid)
const folders = await Promise.all([server].map(async (one) => (await one.cli<string[]>('CONFIG', 'GET', 'dir'))[1]))
process.stdout.write(`${JSON.stringify({ pids, folders })}\n`)
if (process.argv[2] === 'crash') setImmediate(() => Promise.reject(new Error('crashed')))
if (process.argv[2] === 'wait') setInterval(() => {}, 1000)
