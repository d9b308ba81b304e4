-- Says of entries whether they are still a consumer's, and that it lives.
--
-- KEYS[1]  stream
-- ARGV     group; consumer; then for each entry its id and the attempt to note, or 0 to leave it
-- Returns  for each entry 1: still the consumer's; 0: another's; 2: nobody's, it was acknowledged or trimmed
--
-- Atomic: an entry that another consumer has taken over meanwhile is not taken back.
local answers = {}
for i = 3, #ARGV, 2 do
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)[1]
  local answer = 2
  if pending and pending[2] ~= ARGV[2] then
    answer = 0
  elseif pending then
    local claim = { 'XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i] }
    if ARGV[i + 1] ~= '0' then
      claim[#claim + 1] = 'RETRYCOUNT'
      claim[#claim + 1] = ARGV[i + 1]
    end
    claim[#claim + 1] = 'JUSTID'
    if #redis.call(unpack(claim)) > 0 then answer = 1 end
  end
  answers[#answers + 1] = answer
end
return answers
