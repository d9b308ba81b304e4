-- Grants a lease, or a place in the queue. In front of it: queue.lua, which explains the keys.
-- KEYS[1]  place; KEYS[2]  queue; KEYS[3]  fence: the last fencing token of this slot, never expires
-- ARGV[1]  member; ARGV[2]  length of the lease, ms; ARGV[3]  the highest token of this slot that this process has seen
-- ARGV[4]  '' to be refused rather than to wait; '0' to wait; or the arrival that an earlier call returned, to keep that place
-- ARGV[5]  channel prefix; ARGV[6]  '1' where PUBLISH cannot tell whether anybody listens
-- Returns  { 0, token, lost } when granted; { ms, arrival, lost } when queued: ask again after ms at the latest; 0 when refused
--          lost: 1 when the place that an earlier call had returned was gone, as after an eviction
-- Atomic: lease and token are made in one step, so tokens grow in the order of the grants (see take.lua). A retry, or a waiter
-- that was called and did not hear it, finds its place and is granted it.
local place, queue, member, arrival = KEYS[1], KEYS[2], ARGV[1], ARGV[4]
local call = { fence = KEYS[3], seen = ARGV[3], prefix = ARGV[5], deaf = ARGV[6] }
local mode, wait = string.match(member, '^(%w+):(%d+):')

local function grant(lost)
  hold(place, member, ARGV[2])
  return { 0, mint(call.fence, call.seen), lost }
end

if not isMutex(member) then expire(place) end
if holds(place, member) then return grant(0) end

if arrival == '' then
  advance(place, queue, call)
  if redis.call('EXISTS', queue) == 0 and fits(place, mode) then return grant(0) end
  return 0
end

now()
local lost = 0
if arrival == '0' then
  arrival = digits
elseif not redis.call('ZSCORE', queue, member) then
  lost = 1
end
-- A place is asked for again without writing it, which a server that is out of memory would refuse.
if lost == 1 or arrival == digits then redis.call('ZADD', queue, 'NX', arrival, member) end
if redis.call('PTTL', queue) < tonumber(wait) then redis.call('PEXPIRE', queue, wait) end
if advance(place, queue, call, member) then return grant(lost) end

local rest
if isMutex(member) then
  rest = redis.call('PTTL', place)
  -- Others wait now, so drop.lua must not release it.
  local holder = redis.call('GET', place)
  if holder and string.byte(holder) ~= 42 then redis.call('SET', place, '*' .. holder, 'PX', math.max(rest, 1)) end
else
  rest = math.ceil((redis.call('ZRANGE', place, 0, 0, 'WITHSCORES')[2] or 0) - now() / 1000)
end
return { math.max(rest, 1), arrival, lost }
