/** What leads the logical keys of a version: NUL begins no key of a user. */
export function versionPrefix(version: string | undefined): string {
  return version === undefined ? '' : `\0@${version}:`
}

/** A logical key as the user gave it, without its version. */
export function withoutVersion(key: string): string {
  return key.replace(/^\0@[^:]*:/, '')
}
