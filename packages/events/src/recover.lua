-- What a consumer holds: also what it was given by an answer that it never got.
--
-- KEYS[1]  stream
-- ARGV     group; consumer; how many at most
-- Returns  { number of entries that were trimmed meanwhile, entries as { id, fields, attempts } }
--
-- Atomic: what is counted is what is returned. Those trimmed are acknowledged: nobody can ever have them.
local entries, gone = {}, 0
for _, pending in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[3], ARGV[2])) do
  local entry = redis.call('XRANGE', KEYS[1], pending[1], pending[1])[1]
  if entry then
    entries[#entries + 1] = { entry[1], entry[2], pending[4] }
  else
    redis.call('XACK', KEYS[1], ARGV[1], pending[1])
    gone = gone + 1
  end
end
return { gone, entries }
