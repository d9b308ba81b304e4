-- Ends a lease, or a wait, and calls the next of the queue. In front of it: queue.lua, which explains the keys.
-- KEYS[1]  place; KEYS[2]  queue; KEYS[3]  fence
-- KEYS[4]  latch: the last release in this place, for a minute; left out for who was never granted
-- ARGV[1]  member; ARGV[2]  the highest token of this slot that this process has seen; ARGV[3]  channel prefix
-- ARGV[4]  '1' where PUBLISH cannot tell whether anybody listens
-- Returns  1 released; 0 the lease had ended before; -1 it had ended and others have the place
-- Atomic: the end of the lease, the record of it and the call of the next are one step; only the member's own lease can end. A
-- retry whose first reply was lost finds the record and gets the first answer.
local place, queue, latch, member = KEYS[1], KEYS[2], KEYS[4], ARGV[1]
if not isMutex(member) then expire(place) end
local answer = 0
if holds(place, member) then
  answer = 1
  if isMutex(member) then redis.call('DEL', place) else redis.call('ZREM', place, member) end
  if latch then redis.call('SET', latch, member, 'PX', 60000) end
elseif latch and redis.call('GET', latch) == member then
  answer = 1
else
  redis.call('ZREM', queue, member)
  if not fits(place, string.match(member, '^%w+')) then answer = -1 end
end
advance(place, queue, { fence = KEYS[3], seen = ARGV[2], prefix = ARGV[3], deaf = ARGV[4] })
return answer
