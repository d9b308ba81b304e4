-- Grants a lease, or a place in the queue. In front of it: queue.lua, which explains the keys.
-- KEYS[1]  holders; KEYS[2]  queue; KEYS[3]  fence: the last fencing token of this slot, never expires; KEYS[4]  lock, for a mutex
-- ARGV[1]  member; ARGV[2]  length of the lease, ms; ARGV[3]  the highest token of this slot that this process has seen
-- ARGV[4]  '' to be refused rather than to wait; '0' to wait; or the arrival that an earlier call returned, to keep that place
-- ARGV[5]  channel prefix; ARGV[6]  '1' where PUBLISH cannot tell whether anybody listens
-- Returns  the fencing token, a string, when granted; { ms, arrival } when queued: ask again after ms at the latest;
--          0 when refused
-- Atomic: lease and token are made in one step, so tokens grow in the order of the grants (see take.lua). A retry, or a waiter
-- that was called, finds its place among the holders and is granted it.
local holders, queue, fence, lock = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local member, ttl, seen, arrival = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local mode, wait = string.match(member, '^(%w+):(%d+):')

local function grant()
  redis.call('ZREM', queue, member)
  hold(holders, member, ttl)
  if lock then mark(lock, holders, queue) end
  local last = tonumber(redis.call('GET', fence)) or 0
  local token = string.format('%.0f', math.max(now(), last + 1, seen + 1))
  redis.call('SET', fence, token)
  return token
end

if lock then inflate(lock, holders) end
expire(holders)
if redis.call('ZSCORE', holders, member) then return grant() end

if arrival == '' then
  advance(holders, queue, ARGV[5], ARGV[6])
  if redis.call('EXISTS', queue) == 0 and fits(holders, mode) then return grant() end
  if lock then mark(lock, holders, queue) end
  return 0
end

if arrival == '0' then arrival = string.format('%.0f', now()) end
redis.call('ZADD', queue, 'NX', arrival, member)
if redis.call('PTTL', queue) < tonumber(wait) then redis.call('PEXPIRE', queue, wait) end
if advance(holders, queue, ARGV[5], ARGV[6], member) then return grant() end
if lock then mark(lock, holders, queue) end

local first = redis.call('ZRANGE', holders, 0, 0, 'WITHSCORES')[2]
local rest = first and math.ceil(first - now() / 1000) or 0
return { math.max(rest, 1), arrival }
