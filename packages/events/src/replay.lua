-- Adds the entries of dead letters to their stream again, for their group only.
--
-- KEYS[1]  stream
-- KEYS[2]  dead letters of the group, a stream
-- ARGV     group; entries kept in the stream, about; number of fields at the front of a dead letter that are not the entry's; then ids
--          of dead letters
-- Returns  how many there were
--
-- Atomic: it is in one of both places, never in none and never in both.
local count = 0
local header = 2 * tonumber(ARGV[3])
for i = 4, #ARGV do
  local grave = redis.call('XRANGE', KEYS[2], ARGV[i], ARGV[i])[1]
  if grave then
    local fields = grave[2]
    local entry = { 'for', ARGV[1], 'of', fields[2] }
    for f = header + 1, #fields, 2 do
      if fields[f] ~= 'for' and fields[f] ~= 'of' then
        entry[#entry + 1] = fields[f]
        entry[#entry + 1] = fields[f + 1]
      end
    end
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', unpack(entry))
    redis.call('XDEL', KEYS[2], ARGV[i])
    count = count + 1
  end
end
return count
