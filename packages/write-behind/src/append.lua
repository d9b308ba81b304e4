-- Writes a frame of which every value counts. In front of it: latch.lua, which explains the keys.
-- KEYS     live (LIST), state, latch
-- ARGV     frame, limit, every, then each entry
-- Returns  { 'stored', entries that wait } or { 'full', places of entries that do not fit… }, and then nothing was written
-- Atomic: whether there is room and the entries themselves are one step.
if known() then return { 'stored', redis.call('LLEN', live) } end
local room = limit - redis.call('LLEN', live)
local full = { 'full' }
for i = 4 + math.max(room, 0), #ARGV do full[#full + 1] = i - 4 end
if #full > 1 then return full end
latched()
for i = 4, #ARGV do redis.call('RPUSH', live, ARGV[i]) end
return { 'stored', redis.call('LLEN', live) }
