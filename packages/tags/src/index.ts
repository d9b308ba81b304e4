export type { TagsOptions } from './options.js'
export { type TagsInstances, tags, tags as default, tags as 'module.exports' } from './plugin.js'
export { type InvalidateOptions, type TagInfo, Tags, type TagsEvent } from './tags.js'
