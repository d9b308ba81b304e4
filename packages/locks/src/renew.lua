-- Prolongs leases. In front of it: queue.lua, which explains the keys.
-- KEYS     place of each lease, on Cluster all in one slot
-- ARGV     for each lease: its member, and its new length in ms, counted from now
-- Returns  for each lease: 1 prolonged; 0 it had ended; -1 it had ended and others have the place
-- Atomic, so that a lease that has ended is never brought back to life beside its successor. The leases are independent of each
-- other: they share a command, not their fate.
local answers = {}
for i, place in ipairs(KEYS) do
  local member, ttl = ARGV[2 * i - 1], ARGV[2 * i]
  local mutex = isMutex(member)
  if not mutex then expire(place) end
  if not holds(place, member) then
    answers[i] = fits(place, string.match(member, '^%w+')) and 0 or -1
  else
    if mutex then redis.call('PEXPIRE', place, ttl) else hold(place, member, ttl) end
    answers[i] = 1
  end
end
return answers
