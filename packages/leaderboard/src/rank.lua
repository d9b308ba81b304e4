-- Where a member stands.
-- KEYS[1]  the board, KEYS[2] its members: as in update.lua
-- ARGV     member
-- Returns  { rank from 0, the score as a big-endian double }, or nothing when it has no score
-- Atomic because it is one script over keys of one slot: rank and score are of one moment. Reads only.

local held = redis.call('HGET', KEYS[2], ARGV[1])
if not held then return false end
local rank = redis.call('ZREVRANK', KEYS[1], string.sub(held, 1, 6) .. ARGV[1])
if not rank then return false end
return { rank, string.sub(held, 7) }
