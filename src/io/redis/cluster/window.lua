-- One window, in a cluster. KEYS: the window. ARGV: its text, the ms at which it ends, the length of its channel's
-- windows in ms. Answers 1, or an error when a newer version wrote it. It goes on from window_merge.lua.

-- SET with a PXAT in the past would delete the key: a window that has ended is left out.
local clock = redis.call('TIME')
if tonumber(ARGV[2]) <= clock[1] * 1000 + math.floor(clock[2] / 1000) then
  return 1
end
local stored = redis.call('GET', KEYS[1])
if stored and is_newer(stored) then
  return redis.error_reply('NEWER a window was written by a newer version')
end
local text, ends_at = ARGV[1], ARGV[2]
if stored then
  text, ends_at = merge(stored, text, ends_at, ARGV[3])
end
if text ~= stored then
  redis.call('SET', KEYS[1], text, 'PXAT', ends_at)
end
return 1
