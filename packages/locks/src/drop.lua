-- Releases mutexes that take.lua granted, when nobody waits for them.
-- KEYS     for each: its place (see queue.lua), and its latch: the last release in this place, for a minute
-- ARGV     for each: the member
-- Returns  for each: 1 released; 0 release.lua must tell. Of a single one: this itself
-- Atomic, so that only the holder's own lease can end here. The latch is for a retry whose first reply was lost: see release.lua.
-- The locks are independent of each other: they share a command, not their fate.
local function drop(place, latch, member)
  if redis.call('GET', place) ~= member then return 0 end
  redis.call('DEL', place)
  -- A number would have to be printed first, which takes as long as the call.
  redis.call('SET', latch, member, 'PX', '60000')
  return 1
end

if #ARGV == 1 then return drop(KEYS[1], KEYS[2], ARGV[1]) end
local answers = {}
for i, member in ipairs(ARGV) do answers[i] = drop(KEYS[2 * i - 1], KEYS[2 * i], member) end
return answers
