-- Stores what was loaded, if the load is still wanted.
-- KEYS[1]  entry; KEYS[2]  lease of its refresh, same slot
-- ARGV[1]  placeholder or refresh token of the loader; ARGV[2]  id of the entry that was refreshed, '' for a load of an absent key
-- ARGV[3]  the new entry; ARGV[4]  its life in milliseconds; ARGV[5]  channel to tell, '' where tracking tells
-- Returns  1 when stored, else 0
-- A load of an absent key stores over its own placeholder only: whoever changed the key voided it. A refresh stores if the lease is
-- its own AND the entry is still the one that was refreshed: a foreign DEL does not touch the lease. Atomic check and store.
if ARGV[2] == '' then
  if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end
else
  if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
  redis.call('DEL', KEYS[2])
  local id = redis.pcall('GETRANGE', KEYS[1], 4, 11)
  if id ~= ARGV[2] then return 0 end
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
if ARGV[5] ~= '' then redis.pcall('PUBLISH', ARGV[5], KEYS[1]) end
return 1
