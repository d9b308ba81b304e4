-- Ends a lease, or a wait, and calls the next of the queue. In front of it: queue.lua, which explains the keys.
-- KEYS[1]  holders; KEYS[2]  queue; KEYS[3]  latch: the last release in this place; KEYS[4]  lock, for a mutex
-- ARGV[1]  member; ARGV[2]  life of the latch, ms; 0 for who was never granted and only leaves
-- ARGV[3]  channel prefix; ARGV[4]  '1' where PUBLISH cannot tell whether anybody listens
-- Returns  1 released; 0 the lease had ended before; -1 it had ended and others have the place
-- Atomic: the end of the lease, the record of it and the call of the next are one step; only the member's own lease can end. A
-- retry whose first reply was lost finds the record and gets the first answer.
local holders, queue, latch, lock = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local member = ARGV[1]
if lock then inflate(lock, holders) end
expire(holders)
local answer = redis.call('ZREM', holders, member)
if ARGV[2] ~= '0' then
  if answer == 1 then
    redis.call('SET', latch, member, 'PX', ARGV[2])
  elseif redis.call('GET', latch) == member then
    answer = 1
  end
end
redis.call('ZREM', queue, member)
if answer == 0 and not fits(holders, string.match(member, '^%w+')) then answer = -1 end
advance(holders, queue, ARGV[3], ARGV[4])
if lock then mark(lock, holders, queue) end
return answer
