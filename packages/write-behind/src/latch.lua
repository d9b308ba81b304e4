-- What put.lua and append.lua share; it is put in front of each of them.
--
-- live    what waits: a HASH of key -> JSON (put), or a LIST of JSON (append)
-- state   HASH of the shard, see take.lua
-- latch   the number of the last frame that this process wrote; a day without one, and it is gone
--
-- A process sends one frame at a time and numbers them; a frame that arrives twice, since its first answer was lost or the client
-- sent it again over a new connection, finds its number and changes nothing. All in one script, so a frame and its number are
-- written together or not at all.
local live, state, latch = KEYS[1], KEYS[2], KEYS[3]
local frame, limit, every = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

local function known()
  local last = redis.call('GET', latch)
  return last and tonumber(last) >= frame
end

local function latched()
  redis.call('SET', latch, frame, 'EX', 86400)
  -- The batch that these entries will be in is due then.
  local time = redis.call('TIME')
  redis.call('HSETNX', state, 'due', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + every))
end
