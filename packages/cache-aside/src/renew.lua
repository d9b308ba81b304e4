-- Lengthens a lease that is still the caller's own.
-- KEYS[1]  entry or lease; ARGV[1]  placeholder, ticket or token; ARGV[2]  milliseconds
-- Returns  1 when lengthened, else 0
-- Atomic, so that another's lease is never lengthened.
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
