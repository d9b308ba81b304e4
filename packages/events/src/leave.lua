-- Lets others have at once what a consumer holds, and forgets the consumer when that is nothing.
--
-- KEYS[1]  stream
-- ARGV     group; consumer; milliseconds for which its entries shall seem untouched; how many at most; then ids of entries whose handlers
--          were called
-- Returns  how many entries it held
--
-- Atomic: a consumer that was given something meanwhile is not forgotten, which would lose it. What no handler has seen counts as not
-- tried.
local tried = {}
for i = 5, #ARGV do tried[ARGV[i]] = true end
local held = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[4], ARGV[2])
for _, pending in ipairs(held) do
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, pending[1], 'IDLE', ARGV[3], 'RETRYCOUNT',
    tried[pending[1]] and pending[4] or math.max(0, pending[4] - 1), 'JUSTID')
end
if #held == 0 then redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2]) end
return #held
