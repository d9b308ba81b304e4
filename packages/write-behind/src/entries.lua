-- All entries of a hash or a list, without what a client makes of a map.
-- KEYS[1]  the hash or list; ARGV[1]  'all' for a list
-- Returns  fields and values in turn, or the elements
-- One command.
if ARGV[1] == 'all' then return redis.call('LRANGE', KEYS[1], 0, -1) end
return redis.call('HGETALL', KEYS[1])
