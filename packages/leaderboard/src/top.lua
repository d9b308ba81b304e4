-- A page of a board, for clients that make numbers of what Redis says: ioredis (replyMapping 'resp3') reads 0.1 as
-- 0.10000000000000002. What a script returns are strings.
-- KEYS[1]  the board, as in update.lua
-- ARGV     the first and the last rank, from 0
-- Returns  { element, score, … }
-- Atomic because it is one command. Reads only.

return redis.call('ZREVRANGE', KEYS[1], ARGV[1], ARGV[2], 'WITHSCORES')
