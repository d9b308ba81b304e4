-- Changes a board: all that a process sends at once, in its order.
-- KEYS[1]  the board, a sorted set: elements are six bytes, then the member; the bytes put those of one score into their order
-- KEYS[2]  its members, a hash: member to those six bytes and the score as a double; the field '' counts the changes
-- KEYS[3]  the number of the last frame of this process as a big-endian double, and what was answered; kept for an hour
-- ARGV     number of the frame; tie ('first', 'last'); window: empty where there is none, else when it begins and ends by the server's
--          time (a dash each: do not ask), when it is dropped, and the time where it is not asked for, in milliseconds since 1970;
--          then of each change the member, how ('by', 'to', 'higher', 'lower', 'remove', 'clear') and the amount
-- Returns  an answer each, as a big-endian double: the score; NaN when it would not be finite and nothing was changed; of a removal
--          whether it was there. Or the time, an integer, when it is not within the window, and then nothing was changed
-- Atomic because it is one script over keys of one slot. A frame that comes twice, since its answer was lost and the client sent it
-- again, is answered as it was and changes nothing; one that comes after a later one was given up by its sender. Members that reach a
-- score one after the other get rising numbers, so a tie is decided by the order in which Redis ran the changes. Doubles travel as
-- their bytes, or as 17 digits, which are exact. Both keys are written together; where one of them was evicted, or deleted by hand,
-- the board begins anew.
local board, members, latch = KEYS[1], KEYS[2], KEYS[3]

local last = redis.call('GET', latch)
if last then
  local number, frame = struct.unpack('>d', last), tonumber(ARGV[1])
  if number == frame then return string.sub(last, 9) end
  if number > frame then return redis.error_reply('LATE a later frame came before it') end
end

local now, expires
if ARGV[3] ~= '' then
  local begins, ends, dropped, time = string.match(ARGV[3], '^(%S+) (%S+) (%S+) (%S+)$')
  now, expires = tonumber(time), tonumber(dropped)
  if begins ~= '-' then
    local clock = redis.call('TIME')
    now = clock[1] * 1000 + math.floor(clock[2] / 1000)
    if now < tonumber(begins) or now >= tonumber(ends) then return now end
  end
end

local known, count = redis.call('HLEN', members), redis.call('ZCARD', board)
if known ~= count + 1 and known + count > 0 then
  redis.call('DEL', board, members)
  count = 0
end

local reply = struct.pack('>d', ARGV[1])
for i = 4, #ARGV, 3 do
  local member, how, answer = ARGV[i], ARGV[i + 1], nil
  local values = redis.call('HMGET', members, member, '')
  local held = values[1]
  if how == 'clear' then
    redis.call('DEL', board, members)
    count, answer = 0, 0
  elseif how == 'remove' then
    answer = held and 1 or 0
    count = count - answer
    if held and count == 0 then
      -- The count of changes goes with the last member, and with it all that a tie could be decided against.
      redis.call('DEL', board, members)
    elseif held then
      redis.call('HDEL', members, member)
      redis.call('ZREM', board, string.sub(held, 1, 6) .. member)
    end
  else
    answer = tonumber(ARGV[i + 2])
    local old = held and struct.unpack('>d', held, 7)
    if old and how == 'by' then answer = answer + old end
    if old and (answer == old or (how == 'higher' and answer < old) or (how == 'lower' and answer > old)) then
      answer = old
    elseif answer - answer ~= 0 then
      answer = 0 / 0
    else
      local change = (values[2] or 0) + 1
      local order = struct.pack('>I6', ARGV[2] == 'first' and 2 ^ 48 - change or change)
      if held then redis.call('ZREM', board, string.sub(held, 1, 6) .. member) end
      redis.call('ZADD', board, string.format('%.17g', answer), order .. member)
      redis.call('HSET', members, member, order .. struct.pack('>d', answer), '', string.format('%.0f', change))
      if not held then
        count = count + 1
        if count == 1 and expires then
          local life = math.max(1, expires - now)
          redis.call('PEXPIRE', board, life)
          redis.call('PEXPIRE', members, life)
        end
      end
    end
  end
  reply = reply .. struct.pack('>d', answer)
end
redis.call('SET', latch, reply, 'EX', 3600)
return string.sub(reply, 9)
