-- Writes a frame of increments and looks whether there is room; most frames are a plain ZADD GT instead, see sum-writer.ts.
-- KEYS[1]  live: ZSET of what waits in this generation: <process><sign><key> -> all that the process has added to (+) or taken
--          from (-) the key in this generation, and <process> -> the number of its last frame. Totals only grow and are written
--          with GT, so a frame that arrives twice, or late, changes nothing.
--          Once taken (take.lua) it is a HASH of process -> last frame for an hour: a ZADD that comes too late fails.
-- KEYS[2]  state, see take.lua; KEYS[3]  writers: HASH whose fields are the processes that write in this generation
-- ARGV     generation, process, frame, limit, every, then total and member of each entry
-- Returns  { 'stored', entries that wait }; { 'full', places of entries that do not fit… }, and then nothing was written;
--          or { 'moved', generation of now, last frame of this process in the old one, 1 if the old one was never taken }
-- Atomic: generation, room and entries are one step.
local live, state, writers = KEYS[1], KEYS[2], KEYS[3]
local generation, process, frame = ARGV[1], ARGV[2], tonumber(ARGV[3])
local limit, every = tonumber(ARGV[4]), tonumber(ARGV[5])
local kind = redis.call('TYPE', live).ok
local time = redis.call('TIME')

local current = redis.call('HGET', state, 'generation')
if not current then
  -- The first frame of all; or Redis lost its data, and the writer's generation is as good as any.
  current = generation
  if generation == '' or kind == 'hash' then current = time[1] .. string.sub('00000' .. time[2], -6) end
  redis.call('HSET', state, 'generation', current)
end
if current ~= generation then
  local last = kind == 'hash' and redis.call('HGET', live, process) or false
  return { 'moved', current, last or '', kind == 'zset' and 1 or 0 }
end

local function size() return redis.call('ZCARD', live) - redis.call('HLEN', writers) end

local last = redis.call('ZSCORE', live, process)
if last and tonumber(last) >= frame then return { 'stored', size() } end
local room = limit - size()
local full = { 'full' }
if room < (#ARGV - 5) / 2 then
  for i = 6, #ARGV, 2 do
    if not redis.call('ZSCORE', live, ARGV[i + 1]) then
      if room > 0 then room = room - 1 else full[#full + 1] = (i - 6) / 2 end
    end
  end
  if #full > 1 then return full end
end
redis.call('HSETNX', state, 'due', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + every))
redis.call('HSET', writers, process, 1)
redis.call('ZADD', live, 'GT', frame, process)
for i = 6, #ARGV, 2 do redis.call('ZADD', live, 'GT', ARGV[i], ARGV[i + 1]) end
return { 'stored', size() }
