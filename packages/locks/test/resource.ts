/** What the lock protects: a counter in a Redis of its own, that is read in one step and written in another. */

/**
 * The first touch. KEYS: fence, value, owners, twice. ARGV: token, who. Returns the value, or -1 for a token that is too old.
 * Raising the fence already when one reads keeps an older holder's write from slipping in between.
 */
export const ENTER = `
if redis.call('HSETNX', KEYS[3], ARGV[1], ARGV[2]) == 0 and redis.call('HGET', KEYS[3], ARGV[1]) ~= ARGV[2] then
  redis.call('INCR', KEYS[4])
end
if tonumber(redis.call('GET', KEYS[1]) or 0) > tonumber(ARGV[1]) then return -1 end
redis.call('SET', KEYS[1], ARGV[1])
return tonumber(redis.call('GET', KEYS[2]) or 0)
`

/** Any later one. KEYS: fence, value, writes. ARGV: token, value. Returns the value, or -1 for a token that is too old. */
export const WRITE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
redis.call('SET', KEYS[2], ARGV[2])
redis.call('INCR', KEYS[3])
return tonumber(ARGV[2])
`
