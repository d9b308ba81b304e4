-- Ends a session.
-- KEYS[1]  the session (see create.lua), or what a rotation left in its place
-- Returns  { its `m` or '', its `>` or '' }
-- Atomic: what is told is what was deleted, so that whoever ends a session that is being rotated learns of its successor.
local found = redis.call('HMGET', KEYS[1], 'm', '>')
redis.call('DEL', KEYS[1])
return { found[1] or '', found[2] or '' }
