-- Acknowledges an entry that failed for good, and keeps it as a dead letter.
--
-- KEYS[1]  stream
-- KEYS[2]  dead letters of the group, a stream
-- ARGV     group; consumer; id of the entry; dead letters kept, about; then names and values of what is kept
-- Returns  1 when it was kept, 0 when another consumer has the entry
--
-- Atomic: it is in one of both places, never in none. Said twice, it is kept once, unless it was trimmed meanwhile: then nobody knows.
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)[1]
if pending and pending[2] ~= ARGV[2] then return 0 end
if not pending and #redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3]) > 0 then return 0 end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', unpack(ARGV, 5))
return 1
