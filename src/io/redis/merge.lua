-- Merges the windows of the records [from, to) of a partition and advances its frontier, both or neither.
--
-- KEYS: the frontier, the nonce, then the windows. ARGV: from, to, topic id, the ms at which the first of the windows
-- ends, the nonce that must be there and the one to be left (both may be empty), then for each window: its text, the ms
-- at which it ends, the length of its channel's windows in ms. Answers 1; 0 when the stored frontier does not lead up to
-- `from`, or the nonce is another; an error when a newer version wrote one of the windows. After 0 or an error nothing has
-- changed.
--
-- A window that records of several calls touched is in the first of them alone. The nonce says that this first call, and
-- all between, are in this very Redis still: it may have gone back since, and somebody else have moved the frontier.
--
-- There is no `allow-oom` flag on purpose: a full memory then refuses the script as a whole, before its first write.
-- It goes on from window_merge.lua.

local ARGUMENTS_BEFORE_WINDOWS, ARGUMENTS_A_WINDOW = 6, 3
local KEYS_BEFORE_WINDOWS = 2
local NONCE_LIVES_MS = 600000
-- Lua passes at most about 8,000 arguments.
local KEYS_A_READ = 1000

local frontier = redis.call('GET', KEYS[1])
if not frontier then
  return 0
end
local next, topic_id, unchanged = match(frontier, '^1 (%d+) (%S+) (%S+ %d+)$')
if not next or topic_id ~= ARGV[3] or tonumber(next) < tonumber(ARGV[1]) then
  return 0
end

if ARGV[5] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[5] then
  return 0
end

-- All are read before the first write: one that a newer version wrote
-- refuses the call as a whole.
local call = redis.call
local count = #KEYS - KEYS_BEFORE_WINDOWS
local pages = {}
for first = 1, count, KEYS_A_READ do
  local last = math.min(first + KEYS_A_READ - 1, count)
  local texts = call('MGET', unpack(KEYS, first + KEYS_BEFORE_WINDOWS, last + KEYS_BEFORE_WINDOWS))
  for i = 1, last - first + 1 do
    local text = texts[i]
    if text and is_newer(text) then
      return redis.error_reply('NEWER a window was written by a newer version')
    end
  end
  pages[#pages + 1] = texts
end

-- SET with a PXAT in the past would delete the key: windows that have ended are left out.
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local none_has_ended = tonumber(ARGV[4]) > now
local written = {}
for page, texts in ipairs(pages) do
  local before = (page - 1) * KEYS_A_READ
  for i = 1, math.min(KEYS_A_READ, count - before) do
    local key = KEYS[before + i + KEYS_BEFORE_WINDOWS]
    local at = ARGUMENTS_BEFORE_WINDOWS + (before + i - 1) * ARGUMENTS_A_WINDOW
    local new, ends_at = ARGV[at + 1], ARGV[at + 2]
    if none_has_ended or tonumber(ends_at) > now then
      local stored = written[key] or texts[i]
      local text = new
      if stored and not is_surely_later(stored, new) then
        text, ends_at = merge(stored, new, ends_at, ARGV[at + 3])
      end
      if text ~= stored then
        call('SET', key, text, 'PXAT', ends_at)
        written[key] = text
      end
    end
  end
end
if tonumber(ARGV[2]) > tonumber(next) then
  call('SET', KEYS[1], '1 ' .. ARGV[2] .. ' ' .. topic_id .. ' ' .. unchanged)
end
if ARGV[6] ~= '' then
  call('SET', KEYS[2], ARGV[6], 'PX', NONCE_LIVES_MS)
end
return 1
