-- Throws a dead letter away.
-- KEYS[1]  letters; KEYS[2]  the entries of the letter; ARGV[1]  id
-- Returns  1 it is gone; 0 there was none
-- Atomic: nobody replays it meanwhile.
redis.call('UNLINK', KEYS[2])
return redis.call('HDEL', KEYS[1], ARGV[1])
