#!lua
-- Merges the windows of the records [from, to) of a partition and advances its frontier, both or neither.
--
-- KEYS: the frontier, then the windows. ARGV: from, to, topic id, the ms at which the first of the windows ends, then for
-- each window: its text, the ms at which it ends, the length of its channel's windows in ms. Answers 1; 0 when the
-- stored frontier does not lead up to `from`; an error when a newer version wrote one of the windows. After 0 or an error
-- nothing has changed.
--
-- There is no `allow-oom` flag on purpose: a full memory then refuses the script as a whole, before its first write.
-- Texts are put together from the digits that were read, since formatting a number is what costs most here.

local byte, match, sub = string.byte, string.match, string.sub
local MINUS, ZERO, ONE, SPACE = byte('-'), byte('0'), byte('1'), byte(' ')
local EARLIEST_MS, LATEST_MS = -62167219200000, 253402300799999
local LAST_PARTITION, LAST_OFFSET = 2147483647, 9223372036854775807
local ARGUMENTS_BEFORE_WINDOWS, ARGUMENTS_A_WINDOW = 4, 3
-- Lua passes at most about 8,000 arguments.
local KEYS_A_READ = 1000

-- No number of ours has a zero in front.
local function is_padded(digits)
  local first = byte(digits)
  return (first == ZERO and digits ~= '0') or (first == MINUS and byte(digits, 2) == ZERO)
end

-- Anything but the one text that we write is damage: the digits are used again, so they must be good.
local function parse_window(text)
  local last, opened, position, partition, offset = match(text, '^1 (%-?%d+) (%-?%d+) ((%d+):(%d+))$')
  if not last or is_padded(last) or is_padded(opened) or is_padded(partition) or is_padded(offset) then
    return nil
  end
  local last_ms, opened_ms = tonumber(last), tonumber(opened)
  local partition_number, offset_number = tonumber(partition), tonumber(offset)
  if last_ms < EARLIEST_MS or last_ms > LATEST_MS or opened_ms < EARLIEST_MS or opened_ms > LATEST_MS
    or partition_number > LAST_PARTITION or offset_number > LAST_OFFSET then
    return nil
  end
  return last_ms, opened_ms, partition_number, offset_number, last, opened, position
end

-- A version has up to three digits and a space behind it.
local function is_newer(text)
  local first, second = byte(text, 1, 2)
  if first == ONE and second == SPACE then
    return false
  end
  local version = match(text, '^([1-9]%d?%d?) ')
  return version and version ~= '1'
end

-- Whether the new text surely replaces the stored one: the same session, told by a later act. Times of our days have 13
-- digits, so that they stand at fixed places and compare as text. Of a damaged text nothing is kept either.
local function is_surely_later(stored, new)
  return sub(stored, 16, 30) == sub(new, 16, 30) and sub(stored, 3, 15) < sub(new, 3, 15)
    and byte(new, 16) == SPACE and byte(new, 30) == SPACE
end

-- The later act wins, a tie goes to the higher position; sessions that touch become one that began with the earlier.
-- Returns the text, and the ms at which the window ends.
local function merge(stored, new, new_ends_at, length)
  if stored == new then
    return new, new_ends_at
  end
  local last_ms, opened_ms, partition, offset, last, opened, position = parse_window(stored)
  if not last_ms then
    return new, new_ends_at
  end
  local new_last_ms, new_opened_ms, new_partition, new_offset, new_last, new_opened, new_position = parse_window(new)

  local new_is_later = new_last_ms > last_ms
  if new_last_ms == last_ms then
    new_is_later = new_partition > partition or (new_partition == partition and new_offset > offset)
  end
  if new_is_later then
    if opened_ms < new_opened_ms and new_opened_ms < last_ms + length then
      return '1 ' .. new_last .. ' ' .. opened .. ' ' .. new_position, new_ends_at
    end
    return new, new_ends_at
  end
  if new_opened_ms < opened_ms and opened_ms < new_last_ms + length then
    local ends_at = string.format('%.0f', last_ms + length)
    return '1 ' .. last .. ' ' .. new_opened .. ' ' .. position, ends_at
  end
  return stored
end

local frontier = redis.call('GET', KEYS[1])
if not frontier then
  return 0
end
local next, topic_id, unchanged = match(frontier, '^1 (%d+) (%S+) (%S+ %d+)$')
if not next or topic_id ~= ARGV[3] or tonumber(next) < tonumber(ARGV[1]) then
  return 0
end

-- A window's place in KEYS is one after its number. All are read before the first write: one that a newer version wrote
-- refuses the call as a whole.
local call = redis.call
local count = #KEYS - 1
local pages = {}
for first = 1, count, KEYS_A_READ do
  local last = math.min(first + KEYS_A_READ - 1, count)
  local texts = call('MGET', unpack(KEYS, first + 1, last + 1))
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
    local key = KEYS[before + i + 1]
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
return 1
