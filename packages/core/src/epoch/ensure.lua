-- Reads the clock of a namespace and makes sure that the given tags have a key.
-- KEYS[1]  clock; KEYS[2..]  tags, all in the slot of the namespace
-- ARGV[1]  the highest epoch this process has seen: the clock is never made lower (a failover may have lost the newer one)
-- ARGV[2]  milliseconds that each tag must still live; ARGV[3]  milliseconds that a tag is given when it is made or lengthened
-- Returns  { Redis time in milliseconds, clock, hard epoch, soft epoch, milliseconds to live of the first tag, … }
-- A missing tag is made at the CURRENT clock, never at the epoch of an entry: an invalidation that the lost key knew of happened
-- at or before the clock, so no entry that it hit can become valid again. Atomic: nothing can tick between clock and tags.
local function get(key)
  -- Whatever is no string is not ours, and as good as missing.
  local value = redis.pcall('GET', key)
  return type(value) == 'string' and value or ''
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local clock = tonumber(string.match(get(KEYS[1]), '^%d+$'))
if not clock or clock < tonumber(ARGV[1]) then
  clock = math.max((clock or 0) + 1, tonumber(ARGV[1]) + 1, now)
  redis.call('SET', KEYS[1], string.format('%.0f', clock))
end
local reply = { string.format('%.0f', math.floor(now / 1000)), string.format('%.0f', clock) }
for i = 2, #KEYS do
  local hard, soft = string.match(get(KEYS[i]), '^(%d+) (%d+) %d+$')
  if not hard then
    hard = string.format('%.0f', clock)
    soft = hard
    redis.call('SET', KEYS[i], hard .. ' ' .. soft .. ' 0', 'PX', ARGV[3])
  end
  local life = redis.call('PTTL', KEYS[i])
  -- PEXPIRE is a change that every process hears: only when too little is left.
  if life < tonumber(ARGV[2]) then
    redis.call('PEXPIRE', KEYS[i], ARGV[3])
    life = tonumber(ARGV[3])
  end
  reply[#reply + 1] = hard
  reply[#reply + 1] = soft
  reply[#reply + 1] = life
end
return reply
