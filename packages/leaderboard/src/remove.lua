-- Takes a member off a board.
-- KEYS[1]  the board, KEYS[2] its members: as in update.lua
-- ARGV     member, and where there are windows that go by the server's time: when this one begins and ends
-- Returns  { 1 } or { 0 }: whether it was there; the time, an integer, when it is not within the window
-- Atomic because it is one script over keys of one slot. The count of changes goes with the last member, and with it all that
-- a tie could be decided against.

if ARGV[2] then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  if now < tonumber(ARGV[2]) or now >= tonumber(ARGV[3]) then return now end
end
local held = redis.call('HGET', KEYS[2], ARGV[1])
if not held then return { 0 } end
redis.call('HDEL', KEYS[2], ARGV[1])
local removed = redis.call('ZREM', KEYS[1], string.sub(held, 1, 6) .. ARGV[1])
if redis.call('HLEN', KEYS[2]) == 1 then redis.call('DEL', KEYS[1], KEYS[2]) end
return { removed }
