-- Ends an attempt on a batch, and the lease.
-- KEYS[1]  lease; KEYS[2]  taken; KEYS[3]  state (see take.lua); KEYS[4]  letters: HASH of id -> JSON; KEYS[5]  the entries of this
--          batch as a dead letter
-- ARGV[1]  <owner>:<fencing token>; ARGV[2]  id
-- ARGV[3]  done: it is in the database, whoever holds the lease now. Only with the lease: failed, released, dead
-- ARGV[4]  failed: ms until the next attempt; dead: JSON of the letter, to which the time is added
-- Returns  1 done; 0 the batch was ended before, or others have the lease
-- Atomic: what a flusher says whose lease is over ends no batch but its own, and the entries are never in no place.
local lease, taken, state, letters, letter = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local grant, id, outcome, detail = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local mine = redis.call('GET', lease) == grant
local current = redis.call('HGET', state, 'id') == id
if mine then redis.call('DEL', lease) end
if not current or not (mine or outcome == 'done') then return 0 end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if outcome == 'released' then
  redis.call('HINCRBY', state, 'attempt', -1)
elseif outcome == 'failed' then
  redis.call('HSET', state, 'next', string.format('%.0f', now + detail))
else
  local number = redis.call('HGET', state, 'taken')
  redis.call('HSET', state, 'done', number)
  redis.call('HDEL', state, 'id', 'attempt', 'next')
  if outcome == 'done' then
    redis.call('UNLINK', taken)
  else
    redis.call('HSET', state, 'dead', number)
    redis.call('RENAME', taken, letter)
    redis.call('HSET', letters, id, string.format('%.0f', now) .. detail)
  end
end
return 1
