-- A member and its neighbours.
-- KEYS[1]  the board, KEYS[2] its members: as in update.lua
-- ARGV     member, how many neighbours on each side
-- Returns  { rank of the first from 0, { element, score, … } }, or nothing when the member has no score
-- Atomic because it is one script over keys of one slot: the neighbours are those of the rank. Reads only.

local held = redis.call('HGET', KEYS[2], ARGV[1])
if not held then return false end
local rank = redis.call('ZREVRANK', KEYS[1], string.sub(held, 1, 6) .. ARGV[1])
if not rank then return false end
local start = math.max(0, rank - ARGV[2])
return { start, redis.call('ZREVRANGE', KEYS[1], start, rank + ARGV[2], 'WITHSCORES') }
