#!lua
-- Remembers when the provider last refused a send for being outside the window.
--
-- KEYS: the advice. ARGV: the ms of the refusal, the ms at which the advice ends. A stored refusal that is later stays,
-- and so does what a newer version wrote. Answers 1 when it was written.

local stored = redis.call('GET', KEYS[1])
if stored then
  local version = string.match(stored, '^(%d%d?%d?) ')
  if version and tonumber(version) > 1 then
    return 0
  end
  local refused_at = string.match(stored, '^1 (-?%d+)$')
  if refused_at and tonumber(refused_at) >= tonumber(ARGV[1]) then
    return 0
  end
end
-- SET with a PXAT in the past would delete the key.
local clock = redis.call('TIME')
if tonumber(ARGV[2]) <= clock[1] * 1000 + math.floor(clock[2] / 1000) then
  return 0
end
redis.call('SET', KEYS[1], '1 ' .. ARGV[1], 'PXAT', ARGV[2])
return 1
