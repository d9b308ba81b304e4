-- Makes a session.
-- KEYS[1]  the session (HASH): m "<created> <end> <user as JSON>", s last seen, d device, ".<name>" one a field of data
-- ARGV[1]  idle timeout, ms; ARGV[2]  absolute timeout, ms; ARGV[3], ARGV[4]  created and end of the session that this one goes
--          on with, or empty; ARGV[5]  user as JSON, or empty; ARGV[6]  device; ARGV[7…]  pairs of field and value
-- Returns  { now, created, end }; 0 when the key is taken or the end is over
-- Atomic: a session is there with all its fields and its end, or not at all. Times are the server's, in milliseconds.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local created = tonumber(ARGV[3]) or now
local over = tonumber(ARGV[4]) or now + tonumber(ARGV[2])
if over <= now then return 0 end
local meta = string.format('%.0f %.0f %s', created, over, ARGV[5])
redis.call('HSET', KEYS[1], 'm', meta, 's', string.format('%.0f', now), 'd', ARGV[6])
for first = 7, #ARGV, 4000 do
  redis.call('HSET', KEYS[1], unpack(ARGV, first, math.min(first + 3999, #ARGV)))
end
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.min(tonumber(ARGV[1]), over - now)))
return { now, created, over }
