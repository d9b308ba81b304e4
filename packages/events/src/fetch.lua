-- Gives new entries of a group to a consumer, and says how many were trimmed before anybody of the group had them.
--
-- KEYS[1]  stream
-- ARGV     group; consumer; how many at most
-- Returns  { number of entries missed, entries }
--
-- Atomic: nothing is trimmed between the count and the reading. Where single entries were deleted the count is unknown, and 0.
local read, last
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local fields = {}
  for i = 1, #group, 2 do fields[group[i]] = group[i + 1] end
  if fields['name'] == ARGV[1] then
    read, last = fields['entries-read'], fields['last-delivered-id']
  end
end
local stream = {}
local info = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #info, 2 do stream[info[i]] = info[i + 1] end
local missed = 0
if read and stream['max-deleted-entry-id'] == '0-0' then
  missed = math.max(0, stream['entries-added'] - stream['length'] - read)
  -- Told once: Redis itself goes on counting as if nothing had been trimmed.
  if missed > 0 then redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], last, 'ENTRIESREAD', read + missed) end
end
local reply = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', ARGV[3], 'STREAMS', KEYS[1], '>')
return { missed, reply and reply[1][2] or {} }
