-- Prolongs the lease of a batch.
-- KEYS[1]  lease; ARGV[1]  <owner>:<fencing token>; ARGV[2]  its length, ms
-- Returns  1 prolonged; 0 it is over, others may have it
-- Atomic, so that only this lease is prolonged.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
