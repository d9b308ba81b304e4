-- Grants mutexes that are free: the way of nearly all, so it makes as few calls as it can, and of these none that it need not.
-- KEYS     for each: its place (see queue.lua), and the fence of its slot: the last fencing token there, never expires
-- ARGV     for each: the member, and the length of the lease in ms
-- Returns  for each: the fencing token, a string of 16 digits; or 0 when another holds the lock. Of a single one: this itself
-- Atomic: lease and token are made in one step, so tokens grow in the order of the grants. The token is the server's time in
-- microseconds, or more: so it grows also when the clock is set back, or when the last token was lost. A retry whose first reply
-- was lost is granted again. The queue is not looked at: release.lua gives a free place to a waiter itself, so it is only after
-- the end of a dead holder's lease that who comes first can be before who waits, who are about to ask then. The locks are
-- independent of each other: they share a command, not their fate.
local now

local function take(place, fence, member, ttl)
  if not redis.call('SET', place, member, 'NX', 'PX', ttl) then
    local holder = redis.call('GET', place)
    if holder ~= member and holder ~= '*' .. member then return 0 end
    redis.call('PEXPIRE', place, ttl)
  end
  if not now then
    local time = redis.call('TIME')
    now = time[2]
    if #now < 6 then now = string.sub('00000' .. now, -6) end
    now = time[1] .. now
  end
  local last = redis.call('SET', fence, now, 'GET')
  -- Of equal length, so they compare as strings.
  if not last or last < now then return now end
  local token = string.format('%.0f', math.max(tonumber(last) or 0, tonumber(now)) + 1)
  redis.call('SET', fence, token)
  return token
end

if #KEYS == 2 then return take(KEYS[1], KEYS[2], ARGV[1], ARGV[2]) end
local tokens = {}
for i = 1, #KEYS, 2 do tokens[#tokens + 1] = take(KEYS[i], KEYS[i + 1], ARGV[i], ARGV[i + 1]) end
return tokens
