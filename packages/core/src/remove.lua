-- Deletes an entry where the server does not tell of it: as DEL, then PUBLISH.
-- KEYS[1]  entry; KEYS[2]  its lease, in the slot of the entry; ARGV[1]  channel
-- Returns  1 when there was an entry, else 0
-- Atomic, so that who hears of it finds the entry gone. PUBLISH by pcall, here and everywhere: an ACL may refuse it, and what was
-- written before would stay written.
local removed = redis.call('DEL', KEYS[1])
redis.call('DEL', KEYS[2])
redis.pcall('PUBLISH', ARGV[1], KEYS[1])
return removed
