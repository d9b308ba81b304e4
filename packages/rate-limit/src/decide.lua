-- Decides on one request of one key and remembers it. decide.ts and the files of the algorithms, which say what the arithmetic means, are
-- the same for memory; all of it is in whole numbers.
-- KEYS[1]  the state of the key, a string: the byte 1, then doubles, big-endian: refusals, until; for each policy
--          's': units in all, number of pairs, pairs of time and units, the oldest first; 'g': level, time, window; 'f': start (0:
--          none), units
-- ARGV     take ('1', else only look), cost, ban (-1: never), penalty ('none', 'renew', 'double'), then for each policy
--          its algorithm ('s', 'g', 'f'), max, window in milliseconds
-- Returns  { refusals (0: let in), wait in milliseconds, and for each policy: used, reset, wait }
-- Atomic because it is one script over one key: no request can come between look and change. The time is the server's, one for
-- all processes. The key is written by SET with an expiry, never without; one that lost its expiry is judged by the times within
-- it, and what is no state of ours counts as none: both are replaced at the next request.
-- It is one straight piece, without functions of its own, because Redis would make them anew at each call.

local PARTS, LONGEST = 30, 2 ^ 52
local floor, ceil, min, max_of = math.floor, math.ceil, math.min, math.max
local pack, unpack, sub = struct.pack, struct.unpack, string.sub

local time = redis.call('TIME')
local now = time[1] * 1000 + floor(time[2] / 1000)
local take, cost, ban, penalty = ARGV[1] == '1', tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local window_of_main = tonumber(ARGV[7])

local value = redis.pcall('GET', KEYS[1])
if type(value) ~= 'string' or #value < 17 or value:byte(1) ~= 1 then value = nil end
local length = value and #value or 0
local refusals, till, at = 0, 0, 0
if value then refusals, till, at = unpack('>dd', value, 2) end
if not (refusals >= 0 and refusals <= LONGEST and till >= 0 and till <= 2 * LONGEST) then value, refusals, till = nil, 0, 0 end

-- A clock that was set back must not lengthen the wait.
if penalty ~= 'double' then till = min(till, now + window_of_main) end
if refusals > 0 and till <= now then
  refusals = 0
  if penalty ~= 'none' then value = nil end
end
local held = 0
if refusals > 0 and (penalty ~= 'none' or (ban >= 0 and refusals > ban)) then held = till - now end

-- By policy: 's' has its pairs as a string in `pairs_of`, units in all in `first`, the last pair in `second` and `third`; 'g' its level
-- in `first`; 'f' start and units in `first` and `second`.
local pairs_of, first, second, third, waits = {}, {}, {}, {}, {}
local wait = held
local policies = (#ARGV - 4) / 3
for i = 1, policies do
  local algorithm, max, window = ARGV[3 * i + 2], tonumber(ARGV[3 * i + 3]), tonumber(ARGV[3 * i + 4])
  local over = 0
  if algorithm == 's' then
    local units, records, last, last_units = 0, '', 0, 0
    local count, start = 0, 0
    if value and at + 15 <= length then units, count, start = unpack('>dd', value, at) end
    local stop = start + count * 16
    if count > 0 and stop - 1 <= length then
      at = stop
      while start < stop do
        local moment, some = unpack('>dd', value, start)
        if moment > now - window then break end
        units = units - some
        start = start + 16
      end
      if start < stop then
        last, last_units = unpack('>dd', value, stop - 16)
        records = sub(value, start, stop - 1)
        if last > now then
          local healed = {}
          for p = 1, #records, 16 do
            local moment, some = unpack('>dd', records, p)
            healed[#healed + 1] = pack('>dd', min(moment, now), some)
          end
          records, last = table.concat(healed), now
        end
      end
    else
      units = 0
      if start > 0 and count == 0 then at = start else value = nil end
    end
    over = units + cost - max
    if over > 0 and cost <= max then
      local lacking, p = over, 1
      while lacking > 0 and p < #records do
        local moment, some = unpack('>dd', records, p)
        lacking = lacking - some
        p = p + 16
        over = moment + window - now
      end
    end
    pairs_of[i], first[i], second[i], third[i] = records, units, last, last_units
  elseif algorithm == 'g' then
    local level, moment, measure = 0, now, window
    if value and at + 23 <= length then level, moment, measure, at = unpack('>ddd', value, at) else value = nil end
    if measure ~= window then level = ceil(level * window / measure) end
    level = max_of(0, level - max_of(0, now - moment) * max)
    over = level + cost * window - max * window
    if over > 0 and max > 0 then over = ceil(over / max) end
    first[i] = level
  else
    local start, units = 0, 0
    if value and at + 15 <= length then start, units, at = unpack('>dd', value, at) else value = nil end
    start = min(start, now)
    if start + window <= now then start, units = 0, 0 end
    if units + cost > max then over = start + window - now end
    first[i], second[i] = start, units
  end
  if cost > max then over = window end
  waits[i] = max_of(0, over)
  wait = max_of(wait, waits[i])
end

local enters = take and wait == 0
if take and not enters then
  refusals = refusals + 1
  if refusals == 1 then
    till = now + window_of_main
    if ARGV[5] == 'f' and first[1] > 0 then till = first[1] + window_of_main end
  end
  if penalty == 'renew' then
    till = now + window_of_main
  elseif penalty == 'double' then
    till = now + min(window_of_main * 2 ^ (refusals - 1), LONGEST)
  end
  if penalty ~= 'none' or (ban >= 0 and refusals > ban) then wait = max_of(wait, till - now) end
end

local reply = { wait > 0 and refusals or 0, wait }
local state = take and '\1' .. pack('>dd', refusals, till)
local life = refusals > 0 and till - now or 1
for i = 1, policies do
  local algorithm, max, window = ARGV[3 * i + 2], tonumber(ARGV[3 * i + 3]), tonumber(ARGV[3 * i + 4])
  local used, reset
  if algorithm == 's' then
    local records, last = pairs_of[i], second[i]
    used = first[i]
    if enters then
      used = used + cost
      if #records > 0 and floor(last * PARTS / window) == floor(now * PARTS / window) then
        records = sub(records, 1, -17) .. pack('>dd', now, third[i] + cost)
      else
        records = records .. pack('>dd', now, cost)
      end
      last = now
    end
    reset = #records > 0 and last + window - now or 0
    if take then state = state .. pack('>dd', used, #records / 16) .. records end
  elseif algorithm == 'g' then
    local level = first[i]
    if enters then level = level + cost * window end
    used = ceil(level / window)
    reset = level == 0 and 0 or max == 0 and window or ceil(level / max)
    if take then state = state .. pack('>ddd', level, now, window) end
  else
    local start
    start, used = first[i], second[i]
    if enters then
      if start == 0 then start = now end
      used = used + cost
    end
    reset = start > 0 and start + window - now or 0
    if take then state = state .. pack('>dd', start, used) end
  end
  life = max_of(life, reset)
  reply[3 * i], reply[3 * i + 1], reply[3 * i + 2] = used, reset, waits[i]
end

if take then redis.call('SET', KEYS[1], state, 'PX', string.format('%.0f', life)) end
return reply
