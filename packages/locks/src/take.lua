-- Grants mutexes that are free: the way of nearly all, so it makes as few calls as it can.
-- KEYS     for each: its place (see queue.lua), and the fence of its slot: the last fencing token there, never expires
-- ARGV     for each: the member, and the length of the lease in ms
-- Returns  for each: the fencing token, a string of 16 digits; or 0 when another holds the lock
-- Atomic: lease and token are made in one step, so tokens grow in the order of the grants. The token is the server's time in
-- microseconds, or more: so it grows also when the clock is set back, or when the last token was lost. A retry whose first reply
-- was lost is granted again. The queue is not looked at: release.lua gives a free place to a waiter itself, so it is only after
-- the end of a dead holder's lease that who comes first can be before who waits, who are about to ask then. The locks are
-- independent of each other: they share a command, not their fate.
local now
local tokens = {}
for i = 1, #KEYS, 2 do
  local place, fence, member = KEYS[i], KEYS[i + 1], ARGV[i]
  local free = redis.call('SET', place, member, 'NX', 'PX', ARGV[i + 1])
  if not free then
    local holder = redis.pcall('GET', place)
    free = holder == member or holder == '*' .. member
    if free then redis.call('PEXPIRE', place, ARGV[i + 1]) end
  end
  local token = 0
  if free then
    if not now then
      local time = redis.call('TIME')
      now = time[1] .. string.sub('00000' .. time[2], -6)
    end
    token = now
    local last = redis.call('SET', fence, now, 'GET')
    -- Of equal length, so they compare as strings.
    if last and last >= now then
      token = string.format('%.0f', math.max(tonumber(last) or 0, tonumber(now)) + 1)
      redis.call('SET', fence, token)
    end
  end
  tokens[#tokens + 1] = token
end
return tokens
