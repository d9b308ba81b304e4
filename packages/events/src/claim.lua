-- Takes over what consumers of a group hold that have not been heard of for a while, and forgets consumers that hold nothing and have
-- long been silent.
--
-- KEYS[1]  stream
-- ARGV     group; consumer that takes over; milliseconds of silence; where to look on; how many at most; milliseconds of silence
--          after which a consumer that holds nothing is forgotten
-- Returns  { where to look on, number of entries that were trimmed meanwhile, entries as { id, fields, attempts } }
--
-- Atomic: attempts are those of this taking. A consumer that lives and is forgotten is made again when it next reads.
local claimed = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], 'COUNT', ARGV[5])
local entries = {}
for i, entry in ipairs(claimed[2]) do
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], entry[1], entry[1], 1)
  entries[i] = { entry[1], entry[2], pending[1][4] }
end
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local fields = {}
  for i = 1, #consumer, 2 do fields[consumer[i]] = consumer[i + 1] end
  if fields['pending'] == 0 and fields['idle'] > tonumber(ARGV[6]) and fields['name'] ~= ARGV[2] then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], fields['name'])
  end
end
return { claimed[1], #claimed[3], entries }
