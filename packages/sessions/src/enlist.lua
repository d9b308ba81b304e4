-- Enters a session in the index of its user.
-- KEYS[1]  the index (ZSET): the keys of his sessions by the end of its absolute timeout
-- ARGV[1]  key of the session; ARGV[2]  its end, ms; ARGV[3]  the one that it replaces, or empty
-- Returns  all of them; 0, and nothing was changed, when the one to be replaced is not there any more: it was revoked
-- Atomic: a rotation that overlaps a revocation either is seen by it, or learns of it here. What is over leaves; the index itself
-- ends with its last session.
if ARGV[3] ~= '' and redis.call('ZREM', KEYS[1], ARGV[3]) == 0 then return 0 end
local time = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', tonumber(last[2])))
return redis.call('ZRANGE', KEYS[1], 0, -1)
