export { type ResponseEvent, type ResponseResult, responseChannel } from './channel.js'
export { BadPurgeError, NoCacheError, NoGuardError, NoTagsError, NotCachedError } from './errors.js'
export type { LookupHook, PrivateOf, ResponseCacheOptions, ResponseRouteOptions, ResponseTags } from './options.js'
export {
  type ResponseCacheInstances,
  responseCache,
  responseCache as default,
  responseCache as 'module.exports',
} from './plugin.js'
export type { PurgeGuard, PurgeOptions, ResponseCache } from './purge.js'
