-- Makes an entry stale: it may go on being served while it is loaded anew. Voids the loads and refreshes under way.
-- KEYS[1]  entry; KEYS[2]  lease of its refresh, same slot
-- ARGV[1]  a new id and a `fresh until` of 0: bytes 4 to 20 of the entry; ARGV[2]  channel to tell, '' where tracking tells
-- Returns  1 when there was an entry, else 0
-- The new id voids a refresh that began before. Atomic: the entry is never seen half changed.
redis.call('DEL', KEYS[2])
local value = redis.pcall('GET', KEYS[1])
if type(value) ~= 'string' then return 0 end
local entry = string.sub(value, 1, 2) == 'E1' and #value >= 60
if entry then redis.call('SETRANGE', KEYS[1], 4, ARGV[1]) else redis.call('DEL', KEYS[1]) end
if ARGV[2] ~= '' then redis.pcall('PUBLISH', ARGV[2], KEYS[1]) end
return entry and 1 or 0
