-- Gives up a load: it failed, was skipped, or was granted too late. Wakes whoever waits for it.
-- KEYS[1]  entry; KEYS[2]  lease of its refresh, same slot
-- ARGV[1]  placeholder or refresh token of the loader; ARGV[2]  channel to tell, '' where tracking tells
-- Returns  1 when there was something to give up, else 0
-- Only what is the caller's own. Waiters hear changes of the entry only, so the end of a refresh writes the entry's first byte again.
if redis.pcall('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
elseif redis.call('GET', KEYS[2]) == ARGV[1] then
  redis.call('DEL', KEYS[2])
  local first = redis.pcall('GETRANGE', KEYS[1], 0, 0)
  if first == 'E' or first == 'X' then redis.call('SETRANGE', KEYS[1], 0, first) end
else
  return 0
end
if ARGV[2] ~= '' then redis.pcall('PUBLISH', ARGV[2], KEYS[1]) end
return 1
