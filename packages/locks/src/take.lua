-- Grants a mutex that is free: the way of nearly all, so it makes as few calls as it can.
-- KEYS[1]  place (see queue.lua); KEYS[2]  fence: the last fencing token of this slot, never expires
-- ARGV[1]  member; ARGV[2]  length of the lease, ms; ARGV[3]  the highest token of this slot that this process has seen
-- Returns  the fencing token, a string of 16 digits; 0 when another holds the lock
-- Atomic: lease and token are made in one step, so tokens grow in the order of the grants. The token is the server's time in
-- microseconds, or more: so it grows also when the clock is set back, or when the last token was lost. A retry whose first reply
-- was lost is granted again. It does not look at the queue: release.lua gives a free place to a waiter itself, so it is only
-- after the end of a dead holder's lease that who comes first can be before who waits, who are about to ask then.
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  local holder = redis.call('GET', KEYS[1])
  if holder ~= ARGV[1] and holder ~= '*' .. ARGV[1] then return 0 end
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
local time = redis.call('TIME')
local token = time[1] .. string.sub('00000' .. time[2], -6)
local last = redis.call('SET', KEYS[2], token, 'GET')
-- Of equal length, so they compare as strings.
if last and last >= token or ARGV[3] >= token then
  token = string.format('%.0f', math.max(tonumber(last) or 0, tonumber(ARGV[3]), tonumber(token)) + 1)
  redis.call('SET', KEYS[2], token)
end
return token
