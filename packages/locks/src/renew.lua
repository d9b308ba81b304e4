-- Prolongs leases. In front of it: queue.lua, which explains the keys.
-- KEYS     for each lease: its holders, and its lock for a mutex (else its holders again); on Cluster all in one slot
-- ARGV     for each lease: its member, and its new length in ms, counted from now
-- Returns  for each lease: 1 prolonged; 0 it had ended; -1 it had ended and others have the place
-- Atomic, so that a lease that has ended is never brought back to life beside its successor. The leases are independent of each
-- other: they share a command, not their fate.
local answers = {}
for i = 1, #KEYS / 2 do
  local holders, lock, member, ttl = KEYS[2 * i - 1], KEYS[2 * i], ARGV[2 * i - 1], tonumber(ARGV[2 * i])
  local mutex = lock ~= holders
  local holder = mutex and redis.call('GET', lock)
  if holder == member then
    redis.call('PEXPIRE', lock, ttl)
    answers[i] = 1
  elseif mutex and holder ~= '*' then
    answers[i] = holder and -1 or 0
  else
    expire(holders)
    if redis.call('ZSCORE', holders, member) then
      hold(holders, member, ttl)
      if mutex and redis.call('PTTL', lock) <= ttl then redis.call('PEXPIRE', lock, ttl + 1) end
      answers[i] = 1
    else
      answers[i] = fits(holders, string.match(member, '^%w+')) and 0 or -1
    end
  end
end
return answers
