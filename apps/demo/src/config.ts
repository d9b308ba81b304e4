import { StartError } from './errors.js'

/** What the shop is told from outside. */
export type Config = Readonly<{
  /** Port to listen on, 0 for a free one. `PORT`, default 3000. */
  port: number
  /** Address to listen on. `HOST`, default 127.0.0.1. */
  host: string
  /** None: in memory. One: a single server. Several: nodes of a Cluster. `REDIS_URL`, comma-separated. */
  redis: readonly string[]
  /** Starts a Redis server of its own, which the dashboard can stop and restart. `LARDER_DEMO_REDIS=1`. */
  ownRedis?: true
  /** A PostgreSQL database; without it an embedded one. `DATABASE_URL`. */
  database: string | undefined
  /** The token that may change the catalogue. `ADMIN_TOKEN`, default `demo-admin`. */
  adminToken: string
  /** What signs the cookies of sessions, the newest first; none: the shop makes one. `SESSION_SECRET`, comma-separated. */
  sessionSecrets: readonly string[]
  /** From which level on the shop logs to stderr. `LOG_LEVEL`, default `warn`. */
  logLevel: string
}>

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

const SECRET_LENGTH = 32

/**
 * Reads the environment. An empty variable counts as unset.
 *
 * @throws StartError naming the variable and what it should be
 * @example
 * const config = readConfig(process.env)
 */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  const { PORT, HOST, REDIS_URL, LARDER_DEMO_REDIS, DATABASE_URL, ADMIN_TOKEN, SESSION_SECRET, LOG_LEVEL } = environment
  if (REDIS_URL && LARDER_DEMO_REDIS === '1')
    throw new StartError('LARDER_DEMO_REDIS starts a Redis server of its own: leave out REDIS_URL')
  return Object.freeze({
    port: readPort(PORT || '3000'),
    host: HOST || '127.0.0.1',
    redis: readList(REDIS_URL).map((url) => readUrl('REDIS_URL', url, ['redis:', 'rediss:'])),
    ...(LARDER_DEMO_REDIS === '1' && { ownRedis: true as const }),
    database: DATABASE_URL ? readUrl('DATABASE_URL', DATABASE_URL, ['postgres:', 'postgresql:']) : undefined,
    adminToken: ADMIN_TOKEN || 'demo-admin',
    sessionSecrets: readList(SESSION_SECRET).map(readSecret),
    logLevel: readLogLevel(LOG_LEVEL || 'warn'),
  })
}

function readPort(text: string): number {
  const port = Number(text)
  if (/^\d+$/.test(text) && port <= 65_535) return port
  throw new StartError(`PORT must be a number from 0 to 65535, got "${text}"`)
}

function readList(text = ''): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

function readSecret(text: string): string {
  if (text.length >= SECRET_LENGTH) return text
  throw new StartError(`SESSION_SECRET must have at least ${SECRET_LENGTH} characters, got ${text.length}`)
}

function readUrl(variable: string, text: string, protocols: string[]): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url && protocols.includes(url.protocol) && url.hostname !== '') return text
  throw new StartError(
    `${variable} must look like ${protocols.map((p) => `${p}//host`).join(' or ')}, got "${hideSecret(text)}"`,
  )
}

function readLogLevel(text: string): string {
  if (LOG_LEVELS.includes(text)) return text
  throw new StartError(`LOG_LEVEL must be one of ${LOG_LEVELS.join(', ')}, got "${text}"`)
}

/** The URL without its user and password, fit to be printed. */
export function hideSecret(url: string): string {
  return url.replace(/(\/\/)[^@/]*@/, '$1')
}
