import { randomBytes } from 'node:crypto'

/** A short random name, free of `:`, `{` and `}`: the keyspace of one test on a shared server. */
export function uniqueNamespace(): string {
  return `t${randomBytes(6).toString('hex')}`
}
