#!/usr/bin/env node
import type { FastifyInstance } from 'fastify'
import { buildApp, type Shop } from './app.js'
import { type Config, hideSecret, readConfig } from './config.js'
import { StartError } from './errors.js'
import { showProgress } from './progress.js'

/** Whoever presses Ctrl-C has the shell back after this time, whatever hangs. */
const STOP_LIMIT = 4_000

async function start(): Promise<void> {
  const config = readConfig(process.env)
  const shop = await buildApp(config, showProgress(process.stdout))
  stopOnSignal(shop.app)
  const address = await listen(shop.app, config)
  process.stdout.write(welcome(config, shop, address))
}

async function listen(app: FastifyInstance, { port, host }: Config): Promise<string> {
  try {
    return await app.listen({ port, host, listenTextResolver: () => '' })
  } catch (error) {
    await app.close()
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EADDRINUSE') throw new StartError(`Port ${port} is in use on ${host}: set PORT to another one`)
    if (code === 'EACCES') throw new StartError(`Port ${port} needs more rights: set PORT to one over 1023`)
    throw new StartError(
      `Cannot listen on ${host} port ${port} (HOST, PORT): ${error instanceof Error ? error.message : error}`,
    )
  }
}

function stopOnSignal(app: FastifyInstance): void {
  let stopping = false
  const stop = async () => {
    // A terminal signals the whole group and npm passes the signal on: it may come twice.
    if (stopping) return
    stopping = true
    setTimeout(() => process.exit(1), STOP_LIMIT).unref()
    await app.close()
    process.exit(0)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
}

function welcome({ redis, ownRedis, adminToken }: Config, { database }: Shop, address: string): string {
  const cache = [
    ownRedis ? 'a Redis server of its own' : 'memory of this process (set REDIS_URL to share one)',
    `Redis at ${hideSecret(redis[0] ?? '')}`,
  ]
  const token = adminToken === 'demo-admin' ? adminToken : '$ADMIN_TOKEN'
  return `
  The Larder shop is open at ${address}

    cache      ${cache[redis.length] ?? `Redis Cluster of ${redis.map(hideSecret).join(', ')}`}
    database   ${database.description}
    shop       ${address}/
    dashboard  ${address}/dashboard
    API        ${address}/documentation

  Try, twice each:
    curl -i ${address}/products/42
    curl -i '${address}/products?category=5&sort=-price'
  Cache-Status says miss, then hit. Change a product, and every page that shows it is renewed:
    curl -X PUT ${address}/products/42 -H 'authorization: Bearer ${token}' \\
      -H 'content-type: application/json' -d '{ "price": 9.99 }'
  Log in (user1 to user20), fill the cart, see where you are logged in:
    curl -c cookies -H 'content-type: application/json' ${address}/session \\
      -d '{ "email": "user1@example.com", "password": "larder" }'
    curl -b cookies -X PUT ${address}/cart/42 -H 'content-type: application/json' -d '{ "quantity": 2 }'
    curl -b cookies ${address}/sessions

  Ctrl-C stops it.
`
}

start().catch((error: unknown) => {
  if (error instanceof StartError) process.stderr.write(`larder: ${error.message}\n`)
  else console.error(error)
  process.exit(1)
})
