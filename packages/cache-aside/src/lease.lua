-- Asks to load an absent key: looks at it again, and leaves a placeholder where it is absent.
-- KEYS[1]  entry
-- ARGV[1]  placeholder: 'L1' and the loader's token; ARGV[2]  its life in milliseconds
-- ARGV[3]  id of the entry that the caller found to be invalid, or ''; ARGV[4]  channel to tell, '' where tracking tells
-- Returns  { 1 } when granted; { 0, value } when somebody stored meanwhile; { 0, false, milliseconds to wait at most } when somebody
--          else loads or writes
-- Foreign bytes, a foreign type and the refused entry count as absent. Atomic: of all who ask, one is granted; and since the lease
-- lies in the entry's own key, any DEL or SET of it, by anyone, voids the load.
local value = redis.pcall('GET', KEYS[1])
if type(value) == 'table' then value = false end
if value then
  local head = string.sub(value, 1, 2)
  if (head == 'L1' or head == 'W1') and #value == 18 then
    -- The caller's own: its client asked a second time, since the connection was lost with the first answer.
    if value == ARGV[1] then return { 1 } end
    local left = redis.call('PTTL', KEYS[1])
    -- Nobody is given that long: the server's clock was set back, and whoever left it may be dead. Who lives renews it.
    if left > 10 * ARGV[2] then
      left = tonumber(ARGV[2])
      redis.call('PEXPIRE', KEYS[1], left)
    end
    -- One that does not end by itself is foreign: nobody would ever end the wait for it.
    if left >= 0 then return { 0, false, math.max(left, 1) } end
  end
  if (head == 'E1' or head == 'X1') and #value >= 64 and string.sub(value, 5, 12) ~= ARGV[3] then return { 0, value } end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if ARGV[4] ~= '' then redis.pcall('PUBLISH', ARGV[4], KEYS[1]) end
return { 1 }
