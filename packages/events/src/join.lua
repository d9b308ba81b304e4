-- Makes a group where there is none.
--
-- KEYS[1]  stream
-- ARGV     group; id after which it begins, or $
-- Returns  1 when it was made, else 0
--
-- Atomic: how many entries had been trimmed before is noted with the group, so that only those trimmed later count as missed.
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], ARGV[2], 'MKSTREAM')
if made.err then
  if string.find(made.err, 'BUSYGROUP', 1, true) then return 0 end
  return made
end
if ARGV[2] == '0-0' then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  local added, length = 0, 0
  for i = 1, #info, 2 do
    if info[i] == 'entries-added' then added = info[i + 1] end
    if info[i] == 'length' then length = info[i + 1] end
  end
  redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], ARGV[2], 'ENTRIESREAD', added - length)
end
return 1
