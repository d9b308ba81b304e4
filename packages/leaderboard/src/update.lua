-- Changes the score of one member.
-- KEYS[1]  the board, a sorted set: elements are six bytes, then the member; the bytes put those of one score into their order
-- KEYS[2]  its members, a hash: member to those six bytes and the score as a double; the field '' counts the changes
-- ARGV     member, how ('by', 'to', 'higher', 'lower'), amount as a big-endian double, tie ('first', 'last'), and where there are
--          windows: milliseconds since 1970 when this one begins ('': do not ask), ends, and is dropped, and the time then for ''
-- Returns  the score as a big-endian double; nothing when it would not be finite; the time, an integer, when it is not within the
--          window
-- Atomic because it is one script over keys of one slot. Members that reach a score one after the other get rising numbers, so a
-- tie is decided by the order in which Redis ran the changes. Doubles travel as their bytes, or as 17 digits, which are exact.
-- Both keys are written together; where one of them was evicted, or deleted by hand, the board begins anew.

local now
if ARGV[5] then
  if ARGV[5] == '' then
    now = tonumber(ARGV[8])
  else
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
    if now < tonumber(ARGV[5]) or now >= tonumber(ARGV[6]) then return now end
  end
end

local held = redis.call('HGET', KEYS[2], ARGV[1])
local known, ranked = redis.call('HLEN', KEYS[2]), redis.call('ZCARD', KEYS[1])
local fresh = known == 0
if known ~= ranked + 1 and known + ranked > 0 then
  redis.call('DEL', KEYS[1], KEYS[2])
  held, fresh = false, true
end

local how, score = ARGV[2], struct.unpack('>d', ARGV[3])
if held then
  local old = struct.unpack('>d', held, 7)
  if how == 'by' then score = score + old end
  if score == old or (how == 'higher' and score < old) or (how == 'lower' and score > old) then return string.sub(held, 7) end
end
if score - score ~= 0 then return false end

local change = redis.call('HINCRBY', KEYS[2], '', 1)
local order = struct.pack('>I6', ARGV[4] == 'first' and 2 ^ 48 - change or change)
local packed = struct.pack('>d', score)
if held then redis.call('ZREM', KEYS[1], string.sub(held, 1, 6) .. ARGV[1]) end
redis.call('ZADD', KEYS[1], string.format('%.17g', score), order .. ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], order .. packed)
if fresh and now then
  local life = math.max(1, ARGV[7] - now)
  redis.call('PEXPIRE', KEYS[1], life)
  redis.call('PEXPIRE', KEYS[2], life)
end
return packed
