-- What acquire.lua, release.lua and renew.lua share; it is put in front of each of them.
--
-- place    of a mutex a STRING: its holder, with a '*' in front as soon as others wait; expires with the lease.
--          of the others a ZSET: member -> end of its lease, in milliseconds of the server's time; expires with its last lease
-- queue    ZSET: member -> its arrival, in microseconds of the server's time; expires when the last wait is over
-- member   <mode>:<wait>:<process>:<number>; mode 'm' mutex, 'x' alone, 's<n>' beside at most n - 1 others of mode 's';
--          wait: milliseconds from its arrival for which it waits; process: who listens on channel <prefix><process>
--
-- One script runs at a time, so nobody slips in between the end of one lease and the place given to the next of the queue.
-- Ends and arrivals are read from the server's clock alone.

-- Milliseconds that a waiter who was called holds its place before it must have prolonged it.
local CLAIM = 1000

-- The server's time in microseconds: a number, and its 16 digits.
local time, digits
local function now()
  if not time then
    local reading = redis.call('TIME')
    digits = reading[1] .. string.sub('00000' .. reading[2], -6)
    time = tonumber(digits)
  end
  return time
end

local function isMutex(member)
  return string.byte(member) == 109
end

-- Drops the leases that have ended; a mutex ends by itself.
local function expire(place)
  redis.call('ZREMRANGEBYSCORE', place, '-inf', math.floor(now() / 1000))
end

-- Whether the member holds a lease. Call expire() before, unless it is a mutex.
local function holds(place, member)
  if not isMutex(member) then return redis.call('ZSCORE', place, member) end
  local holder = redis.call('GET', place)
  return holder == member or holder == '*' .. member
end

-- Grants or prolongs a lease.
local function hold(place, member, ttl)
  if isMutex(member) then
    redis.call('SET', place, '*' .. member, 'PX', ttl)
  else
    redis.call('ZADD', place, math.floor(now() / 1000) + ttl, member)
    redis.call('PEXPIREAT', place, redis.call('ZRANGE', place, -1, -1, 'WITHSCORES')[2])
  end
end

-- Whether one more may hold. Call expire() before, unless it is a mutex.
local function fits(place, mode)
  if mode == 'm' then return redis.call('EXISTS', place) == 0 end
  local count = redis.call('ZCARD', place)
  if count == 0 then return true end
  local most = tonumber(string.match(mode, '^s(%d+)$') or 1)
  return count < most and string.sub(redis.call('ZRANGE', place, 0, 0)[1], 1, 1) == 's'
end

-- A fencing token: the server's time; more than the last one where the clock was set back, and more than the highest that the
-- calling process has seen where a failover lost the last one.
local function mint(fence, seen)
  now()
  local last = redis.call('SET', fence, digits, 'GET')
  -- Of equal length, so they compare as strings.
  if not (last and last >= digits or seen >= digits) then return digits end
  local token = string.format('%.0f', math.max(tonumber(last) or 0, tonumber(seen), time) + 1)
  redis.call('SET', fence, token)
  return token
end

-- Gives the places that are free to waiters, in the order of their arrival; returns whether `self` is the next. A waiter is told
-- on its channel, "<member> <token> <time in microseconds>", and holds its place for CLAIM: so a dead one costs no more. One
-- whose own wait is over, or whose process listens no more, is passed over.
-- call: { fence, seen, prefix, deaf }; deaf: '1' where PUBLISH cannot tell whether anybody listens (Cluster).
local function advance(place, queue, call, self)
  while true do
    local head = redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')
    local member, arrival = head[1], head[2]
    if not member then return false end
    local mode, wait, process = string.match(member, '^(%w+):(%d+):([^:]+):')
    local over = not mode or arrival + wait * 1000 <= now()
    if not over and not fits(place, mode) then return false end
    redis.call('ZREM', queue, member)
    if not over then
      if member == self then return true end
      local message = member .. ' ' .. mint(call.fence, call.seen) .. ' ' .. digits
      -- Where an ACL forbids the channel, nobody listens to it either.
      local heard = redis.pcall('PUBLISH', call.prefix .. process, message)
      if call.deaf == '1' or type(heard) == 'number' and heard > 0 then
        hold(place, member, CLAIM)
        if string.byte(mode) ~= 115 then return false end
      end
    end
  end
end
