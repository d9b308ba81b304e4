-- Writes an entry (or the ticket of a write), whatever there was, and voids every load and refresh under way.
-- KEYS[1]  entry; KEYS[2]  lease of its refresh, same slot
-- ARGV[1]  the entry; ARGV[2]  its life in milliseconds; ARGV[3]  channel to tell, '' where tracking tells
-- Returns  1
-- Atomic: no refresh can store between the two commands.
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('DEL', KEYS[2])
if ARGV[3] ~= '' then redis.pcall('PUBLISH', ARGV[3], KEYS[1]) end
return 1
