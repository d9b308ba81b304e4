export type { Duration, RedisOption } from '@larder/core'
export { type EndReason, type SessionEvent, sessionsChannel } from './channel.js'
export {
  EndedError,
  IncompatibleError,
  InsecureError,
  NotSerializableError,
  RegisteredError,
  UnavailableError,
  UserError,
} from './errors.js'
export type { CookieOptions, EncryptionOptions, MigrateOptions, SessionsOptions, UserId } from './options.js'
export { type SessionsInstances, sessions, sessions as default, sessions as 'module.exports' } from './plugin.js'
export type { SessionInfo, Sessions } from './sessions.js'
