-- The arithmetic of the algorithms, in whole numbers only: line by line that of sliding-window.ts, gcra.ts and fixed-window.ts, which
-- say what it means. s: section, a list of numbers; p: policy { algorithm, max, window }; now: milliseconds.

local PARTS = 30
local floor, ceil, min, max_of = math.floor, math.ceil, math.min, math.max

local algorithms = {}

algorithms.s = {
  settle = function(s, p, now)
    local kept, n = {}, 0
    for i = 1, #s, 2 do
      if s[i] > now - p.window or n > 0 then
        kept[n + 1], kept[n + 2] = min(s[i], now), s[i + 1]
        n = n + 2
      end
    end
    return kept
  end,
  used = function(s)
    local units = 0
    for i = 2, #s, 2 do units = units + s[i] end
    return units
  end,
  wait = function(s, p, now, cost)
    if cost > p.max then return p.window end
    local lacking = algorithms.s.used(s) + cost - p.max
    if lacking <= 0 then return 0 end
    for i = 1, #s, 2 do
      lacking = lacking - s[i + 1]
      if lacking <= 0 then return s[i] + p.window - now end
    end
    return 0
  end,
  add = function(s, p, now, cost)
    local last = #s - 1
    if last >= 1 and floor(s[last] * PARTS / p.window) == floor(now * PARTS / p.window) then
      s[last] = now
      s[last + 1] = s[last + 1] + cost
    else
      s[last + 2], s[last + 3] = now, cost
    end
  end,
  reset = function(s, p, now)
    if #s == 0 then return 0 end
    return s[#s - 1] + p.window - now
  end,
}

algorithms.g = {
  settle = function(s, p, now)
    local level, time, measure = s[1] or 0, s[2] or now, s[3] or p.window
    if measure ~= p.window then level = ceil(level * p.window / measure) end
    return { max_of(0, level - max_of(0, now - time) * p.max), now, p.window }
  end,
  used = function(s, p)
    return ceil(s[1] / p.window)
  end,
  wait = function(s, p, _, cost)
    if cost > p.max then return p.window end
    local over = s[1] + cost * p.window - p.max * p.window
    if over <= 0 then return 0 end
    return ceil(over / p.max)
  end,
  add = function(s, p, _, cost)
    s[1] = s[1] + cost * p.window
  end,
  reset = function(s, p)
    if s[1] == 0 then return 0 end
    if p.max == 0 then return p.window end
    return ceil(s[1] / p.max)
  end,
}

algorithms.f = {
  settle = function(s, p, now)
    if #s == 0 then return s end
    local start = min(s[1], now)
    if start + p.window <= now then return {} end
    return { start, s[2] }
  end,
  used = function(s)
    return s[2] or 0
  end,
  wait = function(s, p, now, cost)
    if cost > p.max then return p.window end
    if (s[2] or 0) + cost > p.max then return s[1] + p.window - now end
    return 0
  end,
  add = function(s, _, now, cost)
    s[1] = s[1] or now
    s[2] = (s[2] or 0) + cost
  end,
  reset = function(s, p, now)
    if #s == 0 then return 0 end
    return s[1] + p.window - now
  end,
}
