-- What waits under a key, and what of it is being flushed.
-- KEYS[1]  live; KEYS[2]  taken; KEYS[3]  state; KEYS[4]  writers (see count.lua, take.lua)
-- ARGV[1]  sum, last or all; ARGV[2]  generation of live; ARGV[3]  key; ARGV[4]  the beginning of the key's entries in a list
-- Returns  { 'values', value… }, oldest first; or { 'moved', generation of now }
-- Atomic: a batch that is taken between two looks would be seen twice or not at all.
local live, taken, state, writers = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local mode, key = ARGV[1], ARGV[3]
local values = { 'values' }

if mode == 'all' then
  for _, list in ipairs({ taken, live }) do
    for _, entry in ipairs(redis.call('LRANGE', list, 0, -1)) do
      if string.sub(entry, 1, #ARGV[4]) == ARGV[4] then values[#values + 1] = entry end
    end
  end
  return values
end

values[2] = redis.call('HGET', taken, key) or nil
if mode == 'last' then
  values[#values + 1] = redis.call('HGET', live, key) or nil
  return values
end

local current = redis.call('HGET', state, 'generation') or ''
if current ~= ARGV[2] and redis.call('TYPE', live).ok ~= 'zset' then return { 'moved', current } end
local sum = tonumber(values[2] or 0)
for _, process in ipairs(redis.call('HKEYS', writers)) do
  sum = sum + tonumber(redis.call('ZSCORE', live, process .. '+' .. key) or 0)
  sum = sum - tonumber(redis.call('ZSCORE', live, process .. '-' .. key) or 0)
end
return { 'values', string.format('%.0f', sum) }
