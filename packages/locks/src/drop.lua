-- Releases a mutex that take.lua granted, when nobody waits for it.
-- KEYS[1]  place (see queue.lua); KEYS[2]  latch: the last release in this place
-- ARGV[1]  member; ARGV[2]  life of the latch, ms
-- Returns  1 released; 0 release.lua must tell
-- Atomic, so that only the holder's own lease can end here. The latch is for a retry whose first reply was lost: see release.lua.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 1
