-- What acquire.lua, release.lua and renew.lua share; it is put in front of each of them.
--
-- holders  ZSET  member -> end of its lease, in milliseconds of the server's time; expires with its last lease
-- queue    ZSET  member -> its arrival, in microseconds of the server's time; expires when the last wait is over
-- lock     STRING, mutexes only: the one holder, when nobody waits (take.lua, drop.lua); else '*', and holders and queue count
-- member   <mode>:<wait>:<process>:<number>; mode 'm' mutex, 'x' alone, 's<n>' beside at most n - 1 others of mode 's';
--          wait: milliseconds from its arrival for which it waits; process: who listens on channel <prefix><process>
--
-- One script runs at a time, so nobody slips in between the end of one lease and the place given to the next of the queue.
-- Ends and arrivals are read from the server's clock alone.

-- Milliseconds that a waiter who was called may take to come for its place.
local CLAIM = 1000

local time
local function now()
  if not time then
    local reading = redis.call('TIME')
    time = reading[1] * 1000000 + reading[2]
  end
  return time
end

-- Brings a mutex into the general form. Holders that lock does not speak of are void: lock was deleted or evicted.
local function inflate(lock, holders)
  local holder = redis.call('GET', lock)
  if holder == '*' then return end
  redis.call('DEL', holders)
  if not holder then return end
  local rest = redis.call('PTTL', lock)
  if rest < 1 then return end
  redis.call('ZADD', holders, math.floor(now() / 1000) + rest, holder)
  redis.call('PEXPIRE', holders, rest)
end

-- Lets lock stand for holders and queue as long as there are any.
local function mark(lock, holders, queue)
  local rest = math.max(redis.call('PTTL', holders), redis.call('PTTL', queue))
  if rest < 0 then
    redis.call('DEL', lock)
  else
    redis.call('SET', lock, '*', 'PX', rest + 1)
  end
end

-- Drops the leases that have ended.
local function expire(holders)
  redis.call('ZREMRANGEBYSCORE', holders, '-inf', math.floor(now() / 1000))
end

-- Grants or prolongs a lease.
local function hold(holders, member, ttl)
  redis.call('ZADD', holders, math.floor(now() / 1000) + ttl, member)
  redis.call('PEXPIREAT', holders, redis.call('ZRANGE', holders, -1, -1, 'WITHSCORES')[2])
end

-- Whether one more may hold. Call expire() before.
local function fits(holders, mode)
  local count = redis.call('ZCARD', holders)
  if count == 0 then return true end
  local most = tonumber(string.match(mode, '^s(%d+)$') or 1)
  return count < most and string.sub(redis.call('ZRANGE', holders, 0, 0)[1], 1, 1) == 's'
end

-- Gives the places that are free to waiters, in the order of their arrival; returns whether `self` is the next.
-- A waiter that is called holds its place for CLAIM. One whose own wait is over, or whose process listens no more, is passed over.
-- deaf: '1' where PUBLISH cannot tell whether anybody listens (Cluster).
local function advance(holders, queue, prefix, deaf, self)
  while true do
    local head = redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')
    local member, arrival = head[1], head[2]
    if not member then return false end
    local mode, wait, process = string.match(member, '^(%w+):(%d+):([^:]+):')
    local over = not mode or arrival + wait * 1000 <= now()
    if not over and not fits(holders, mode) then return false end
    redis.call('ZREM', queue, member)
    if not over then
      if member == self then return true end
      -- Where an ACL forbids the channel, nobody listens to it either.
      local heard = redis.pcall('PUBLISH', prefix .. process, member)
      if deaf == '1' or type(heard) == 'number' and heard > 0 then hold(holders, member, CLAIM) end
    end
  end
end
