-- Releases mutexes that take.lua granted, when nobody waits for them.
-- KEYS     for each: its place (see queue.lua), and its latch: the last release in this place, for a minute
-- ARGV     for each: the member
-- Returns  for each: 1 released; 0 release.lua must tell
-- Atomic, so that only the holder's own lease can end here. The latch is for a retry whose first reply was lost: see release.lua.
-- The locks are independent of each other: they share a command, not their fate.
local answers = {}
for i, member in ipairs(ARGV) do
  local place = KEYS[2 * i - 1]
  if redis.pcall('GET', place) == member then
    redis.call('DEL', place)
    redis.call('SET', KEYS[2 * i], member, 'PX', 60000)
    answers[i] = 1
  else
    answers[i] = 0
  end
end
return answers
