-- Makes a dead letter the batch to flush, under its old id.
-- KEYS[1]  taken; KEYS[2]  state (see take.lua); KEYS[3]  letters; KEYS[4]  the entries of the letter
-- ARGV[1]  id
-- Returns  1 it is the batch now; 0 there is no such letter; -1 another batch is being flushed
-- Atomic: the entries are never in both places, nor in none. Sent twice, it finds its own work.
local taken, state, letters, letter = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
if redis.call('HGET', state, 'id') == ARGV[1] then return 1 end
if redis.call('HEXISTS', letters, ARGV[1]) == 0 then return 0 end
if redis.call('EXISTS', taken) == 1 then return -1 end
redis.call('RENAME', letter, taken)
redis.call('HDEL', letters, ARGV[1])
redis.call('HSET', state, 'id', ARGV[1], 'attempt', 0, 'next', 0)
redis.call('HINCRBY', state, 'taken', 1)
return 1
