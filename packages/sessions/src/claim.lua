-- Takes a session out of service so that another goes on with it.
-- KEYS[1]  the session (see create.lua)
-- ARGV[1]  what stays behind, `>`: "1 <key>" reads and late saves go on to that session, "0 <key>" late saves only, "0 " neither;
--          (the old `m` is put behind it); ARGV[2]  for how long, ms; 0: nothing stays
-- Returns  the fields and values as they were; nil when the session was ended or rotated before
-- Atomic: of two rotations, or of a rotation and a logout, one gets it; what parallel requests saved before is in the answer, what
-- they save after finds `>`.
local meta = redis.call('HGET', KEYS[1], 'm')
if not meta then return nil end
local fields = redis.call('HGETALL', KEYS[1])
redis.call('DEL', KEYS[1])
if tonumber(ARGV[2]) > 0 then
  redis.call('HSET', KEYS[1], '>', ARGV[1] .. ' ' .. meta)
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return fields
