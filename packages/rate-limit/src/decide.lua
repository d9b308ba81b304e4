-- Decides on one request of one key and remembers it. decide.ts is the same for memory.
-- KEYS[1]  the state of the key, a string: `refusals,until;` and for each policy its numbers, `time,units,…;`
-- ARGV     take ('1', else only look), cost, ban (-1: never), penalty ('none', 'renew', 'double'), then for each policy
--          its algorithm ('s', 'g', 'f'), max, window in milliseconds
-- Returns  { refusals (0: let in), wait in milliseconds, and for each policy: used, reset, wait }
-- Atomic because it is one script over one key: no request can come between look and change. The time is the server's, one for
-- all processes. The key is written by SET with an expiry, never without: whatever lost its expiry, is no state of ours or of
-- another type is judged by the times within it, or counts as empty, and is replaced at the next request.

local LONGEST = 2 ^ 52

local time = redis.call('TIME')
local now = time[1] * 1000 + floor(time[2] / 1000)
local take, cost, ban, penalty = ARGV[1] == '1', tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]

local policies = {}
for i = 5, #ARGV, 3 do
  policies[#policies + 1] = { algorithm = ARGV[i], max = tonumber(ARGV[i + 1]), window = tonumber(ARGV[i + 2]) }
end
local window = policies[1].window

-- Whole numbers and nothing else: of what is no state of ours, nothing is believed.
local function parse(value)
  local lists = {}
  if type(value) ~= 'string' or not value:find('^%d+,%d+;[%d,;]*$') then return lists end
  for text in value:gmatch('([^;]*);') do
    local list = {}
    for number in text:gmatch('%d+') do list[#list + 1] = tonumber(number) end
    lists[#lists + 1] = list
  end
  for i, policy in ipairs(policies) do
    local length = #(lists[i + 1] or {})
    local sound = policy.algorithm == 's' and length % 2 == 0
      or length == 0
      or policy.algorithm == 'g' and length == 3 and lists[i + 1][3] > 0
      or policy.algorithm == 'f' and length == 2
    if not sound then return {} end
  end
  return lists
end

local lists = parse(redis.pcall('GET', KEYS[1]))
local refusals, till = 0, 0
if lists[1] then refusals, till = lists[1][1], lists[1][2] end

-- A clock that was set back must not lengthen the wait.
if penalty ~= 'double' then till = min(till, now + window) end
local anew = false
if refusals > 0 and till <= now then
  refusals = 0
  anew = penalty ~= 'none'
end

local function held()
  if refusals > 0 and (penalty ~= 'none' or (ban >= 0 and refusals > ban)) then return till - now end
  return 0
end

local sections, waits = {}, {}
local wait = held()
for i, policy in ipairs(policies) do
  local algorithm = algorithms[policy.algorithm]
  sections[i] = algorithm.settle(not anew and lists[i + 1] or {}, policy, now)
  waits[i] = algorithm.wait(sections[i], policy, now, cost)
  wait = max_of(wait, waits[i])
end

if take and wait == 0 then
  for i, policy in ipairs(policies) do algorithms[policy.algorithm].add(sections[i], policy, now, cost) end
elseif take then
  refusals = refusals + 1
  if refusals == 1 then
    till = now + window
    if policies[1].algorithm == 'f' and #sections[1] > 0 then till = sections[1][1] + window end
  end
  if penalty == 'renew' then
    till = now + window
  elseif penalty == 'double' then
    till = now + min(window * 2 ^ (refusals - 1), LONGEST)
  end
  wait = max_of(wait, held())
end

local reply = { wait > 0 and refusals or 0, wait }
local life = refusals > 0 and till - now or 1
for i, policy in ipairs(policies) do
  local algorithm = algorithms[policy.algorithm]
  local reset = algorithm.reset(sections[i], policy, now)
  life = max_of(life, reset)
  reply[#reply + 1] = algorithm.used(sections[i], policy)
  reply[#reply + 1] = reset
  reply[#reply + 1] = waits[i]
end

if take then
  local texts = { string.format('%.0f,%.0f;', refusals, till) }
  for _, section in ipairs(sections) do
    local numbers = {}
    for i, number in ipairs(section) do numbers[i] = string.format('%.0f', number) end
    texts[#texts + 1] = table.concat(numbers, ',') .. ';'
  end
  redis.call('SET', KEYS[1], table.concat(texts), 'PX', string.format('%.0f', life))
end

return reply
