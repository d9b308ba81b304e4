-- Writes a frame of which the last value of each key counts. In front of it: latch.lua, which explains the keys.
-- KEYS     live (HASH), state, latch
-- ARGV     frame, limit, every, then key and value of each entry
-- Returns  { 'stored', entries that wait } or { 'full', places of entries that do not fit… }, and then nothing was written
-- Atomic: whether there is room and the entries themselves are one step.
if known() then return { 'stored', redis.call('HLEN', live) } end
local room = limit - redis.call('HLEN', live)
local full = { 'full' }
if room < (#ARGV - 3) / 2 then
  for i = 4, #ARGV, 2 do
    if redis.call('HEXISTS', live, ARGV[i]) == 0 then
      if room > 0 then room = room - 1 else full[#full + 1] = (i - 4) / 2 end
    end
  end
  if #full > 1 then return full end
end
latched()
for i = 4, #ARGV, 2 do redis.call('HSET', live, ARGV[i], ARGV[i + 1]) end
return { 'stored', redis.call('HLEN', live) }
