-- Invalidates tags, as one act.
-- KEYS[1]  clock; KEYS[2..]  tags, all in the slot of the namespace
-- ARGV[1]  the highest epoch this process has seen; ARGV[2]  'hard' or 'soft'; ARGV[3]  channel to tell, '' where tracking tells
-- Returns  the new epoch
-- A tag's value: its hard epoch, its soft epoch, and the epoch of its last invalidation of either kind (0: none since it was made).
-- Ticks the clock, then raises the tags that exist; missing ones stay missing, which already means invalid. Atomic: a reader sees
-- all of the tags raised or none, and no entry can get an epoch between the tick and the raise.
local hard = ARGV[2] == 'hard'
local function get(key)
  local value = redis.pcall('GET', key)
  return type(value) == 'string' and value or ''
end
local time = redis.call('TIME')
local clock = tonumber(string.match(get(KEYS[1]), '^%d+$')) or 0
local epoch = string.format('%.0f', math.max(clock + 1, tonumber(ARGV[1]) + 1, time[1] * 1000000 + time[2]))
redis.call('SET', KEYS[1], epoch)
for i = 2, #KEYS do
  -- A hard one need not know what was there: over what is not ours it voids the tag's entries just as well.
  local last = hard and epoch or string.match(get(KEYS[i]), '^(%d+) %d+ %d+$')
  if last then
    redis.call('SET', KEYS[i], last .. ' ' .. epoch .. ' ' .. epoch, 'XX', 'KEEPTTL')
  else
    -- Nothing, or nothing of ours.
    redis.call('DEL', KEYS[i])
  end
  if ARGV[3] ~= '' then redis.pcall('PUBLISH', ARGV[3], KEYS[i]) end
end
return epoch
