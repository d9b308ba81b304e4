-- Takes the lease of a shard, and with it the batch to flush: the one that was taken before and is not done, else what waits.
-- KEYS[1]  lease: <owner>:<fencing token>; expires with the lease
-- KEYS[2]  live: what waits (count.lua, latch.lua); KEYS[3]  taken: the batch, a HASH of key -> sum or JSON, or a LIST of JSON
-- KEYS[4]  state: HASH: id, attempt, next (not before) of the batch; due (of what waits); taken, done, dead: batches so far and the
--          number of the last one buried; fence: last fencing token; generation: of live, where sums are kept; times in ms
-- KEYS[5]  writers (count.lua)
-- ARGV[1]  sum, last or all; ARGV[2]  generation of live; ARGV[3]  owner; ARGV[4]  length of the lease, ms
-- ARGV[5]  due, now or look; ARGV[6]  a random word for the id of a new batch
-- Returns  { 'batch', goal, done, dead, 0, id, its number, attempt, fencing token, entries }, { 'idle' | 'busy' | 'later', goal, done, dead,
--          ms to wait }, or { 'moved', generation of now }
-- Atomic: nobody writes between the look and the taking, and what was taken is either all in the batch or not at all. The id is
-- made here, of a number that grows, and never given twice: a command that the client sent again must not make a second batch
-- under the id of one that is done. Times are the server's.
local lease, live, taken, state, writers = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local mode, generation, owner, ttl, how, word = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local PROCESS = 11

local function field(name) return tonumber(redis.call('HGET', state, name) or 0) end

local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
local kind = redis.call('TYPE', live).ok
local current = redis.call('HGET', state, 'generation') or ''
-- A generation that was never taken although another one is current was left behind by a Redis that lost its data: it is taken too.
if mode == 'sum' and current ~= generation and kind ~= 'zset' then return { 'moved', current } end

local flying = redis.call('EXISTS', taken) == 1
local waiting = kind ~= 'none' and not (mode == 'sum' and kind == 'hash')
local goal = field('taken') + (waiting and 1 or 0)
local done, dead = field('done'), field('dead')
if not flying and not waiting then return { 'idle', goal, goal, dead, 0 } end
if how == 'look' then return { 'busy', goal, done, dead, 50 } end

local holder = redis.call('GET', lease)
if holder and string.sub(holder, 1, #owner + 1) ~= owner .. ':' then
  return { 'busy', goal, done, dead, math.max(redis.call('PTTL', lease), 1) }
end
local ready = 0
if flying then ready = field('next') elseif how == 'due' then ready = field('due') end
if ready > now then return { 'later', goal, done, dead, ready - now } end

-- Sums what the processes added, and leaves their last frames where late commands will find them.
local function seal()
  local members = redis.call('ZRANGE', live, 0, -1, 'WITHSCORES')
  local sums, frames = {}, {}
  for i = 1, #members, 2 do
    local member, score = members[i], members[i + 1]
    if #member == PROCESS then
      frames[#frames + 1] = member
      frames[#frames + 1] = score
    else
      local key = string.sub(member, PROCESS + 2)
      if string.byte(member, PROCESS + 1) == 45 then score = -score end
      sums[key] = (sums[key] or 0) + score
    end
  end
  redis.call('DEL', live, writers)
  for i = 1, #frames, 2 do redis.call('HSET', live, frames[i], frames[i + 1]) end
  redis.call('EXPIRE', live, 3600)
  for key, sum in pairs(sums) do redis.call('HSET', taken, key, string.format('%.0f', sum)) end
  if current == generation then
    redis.call('HSET', state, 'generation', string.format('%.0f', math.max(micros, current + 1)))
  end
end

local fence = string.format('%.0f', math.max(micros, field('fence') + 1))
local id, attempt, number
if flying then
  id = redis.call('HGET', state, 'id')
  number = field('taken')
  attempt = redis.call('HINCRBY', state, 'attempt', 1)
else
  if mode == 'sum' then seal() else redis.call('RENAME', live, taken) end
  id = fence .. '-' .. word
  attempt = 1
  number = goal
  redis.call('HSET', state, 'id', id, 'attempt', 1, 'taken', goal)
  redis.call('HDEL', state, 'due', 'next')
end
redis.call('HSET', state, 'fence', fence)
redis.call('SET', lease, owner .. ':' .. fence, 'PX', ttl)
local entries = mode == 'all' and redis.call('LRANGE', taken, 0, -1) or redis.call('HGETALL', taken)
return { 'batch', goal, done, dead, 0, id, number, attempt, fence, entries }
