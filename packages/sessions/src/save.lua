-- Changes fields of a session that still exists, and moves its expiry when that is due.
-- KEYS[1]  the session (see create.lua)
-- ARGV[1]  idle timeout, ms; ARGV[2]  the least time between two moves of the expiry, ms; ARGV[3]  device;
-- ARGV[4]  how many of the next arguments are pairs of field and value to set; the rest are fields to delete
-- Returns  { now, 1 when the expiry was moved, else 0 }; 0 when the session is gone; a string when it was rotated (see claim.lua)
-- Atomic: whether it exists and the write are one step, so a late save never brings back what was ended. The expiry never goes
-- beyond the end in `m`, however often this runs.
local meta = redis.call('HMGET', KEYS[1], 'm', 's', '>')
if not meta[1] then return meta[3] or 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local over = tonumber(string.match(meta[1], '^%d+ (%d+)'))
if over <= now then
  redis.call('DEL', KEYS[1])
  return 0
end
local last = 4 + tonumber(ARGV[4])
for first = 5, last, 4000 do
  redis.call('HSET', KEYS[1], unpack(ARGV, first, math.min(first + 3999, last)))
end
for first = last + 1, #ARGV, 4000 do
  redis.call('HDEL', KEYS[1], unpack(ARGV, first, math.min(first + 3999, #ARGV)))
end
if now - tonumber(meta[2]) < tonumber(ARGV[2]) then return { now, 0 } end
redis.call('HSET', KEYS[1], 's', string.format('%.0f', now), 'd', ARGV[3])
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.min(tonumber(ARGV[1]), over - now)))
return { now, 1 }
