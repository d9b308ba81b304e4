-- Makes an entry stale: it may go on being served while it is loaded anew. Voids the loads and refreshes under way.
-- KEYS[1]  entry; KEYS[2]  lease of its refresh, same slot
-- ARGV[1]  channel to tell, '' where tracking tells
-- Returns  1 when there was an entry, else 0
-- The end of the lease voids a refresh that began before. Atomic, so that none can begin between the two.
redis.call('DEL', KEYS[2])
local value = redis.pcall('GET', KEYS[1])
if type(value) ~= 'string' then return 0 end
local head = string.sub(value, 1, 2)
local entry = (head == 'E1' or head == 'X1') and #value >= 64
if entry then redis.call('SETRANGE', KEYS[1], 0, 'X') else redis.call('DEL', KEYS[1]) end
if ARGV[1] ~= '' then redis.pcall('PUBLISH', ARGV[1], KEYS[1]) end
return entry and 1 or 0
