-- Ends a write-through: stores if no other write or deletion came between, else leaves the key empty.
-- KEYS[1]  entry; KEYS[2]  lease of its refresh, same slot
-- ARGV[1]  ticket; ARGV[2]  the entry; ARGV[3]  its life in milliseconds; ARGV[4]  channel to tell, '' where tracking tells
-- Returns  1 when stored, else 0
-- Of two writes that overlap nobody knows which the database did last, so the one that finds its ticket gone deletes entry AND lease:
-- that voids the other one too, and every load that may have read between them.
local mine = redis.pcall('GET', KEYS[1]) == ARGV[1]
redis.call('DEL', KEYS[2])
if mine then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) else redis.call('DEL', KEYS[1]) end
if ARGV[4] ~= '' then redis.pcall('PUBLISH', ARGV[4], KEYS[1]) end
return mine and 1 or 0
