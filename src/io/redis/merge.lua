#!lua
-- Merges the windows of the records [from, to) of a partition and advances its frontier, both or neither.
--
-- KEYS: the frontier, then the windows. ARGV: from, to, topic id, then for each window: its text, the ms at which it
-- ends, the length of its channel's windows in ms. Answers 1; 0 when the stored frontier does not lead up to `from`; an
-- error when a newer version wrote one of the windows. After 0 or an error nothing has changed.
--
-- There is no `allow-oom` flag on purpose: a full memory then refuses the script as a whole, before its first write.
-- Texts are put together from the digits that were read, since formatting a number is what costs most here.

local byte, match = string.byte, string.match
local MINUS, ZERO = byte('-'), byte('0')
local EARLIEST_MS, LATEST_MS = -62167219200000, 253402300799999
local LAST_PARTITION, LAST_OFFSET = 2147483647, 9223372036854775807
local ARGUMENTS_BEFORE_WINDOWS, ARGUMENTS_A_WINDOW = 3, 3
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
  local version = match(text, '^([1-9]%d?%d?) ')
  return version and version ~= '1'
end

-- The later act wins, a tie goes to the higher position; sessions that touch become one that began with the earlier.
-- Returns the text, and the ms at which the window ends.
local function merge(stored, new, new_ends_at, length)
  if not stored or stored == new then
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

-- SET with a PXAT in the past would delete the key: windows that have ended are left out.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local keys, arguments = {}, {}
for i = 2, #KEYS do
  local at = ARGUMENTS_BEFORE_WINDOWS + (i - 2) * ARGUMENTS_A_WINDOW
  if tonumber(ARGV[at + 2]) > now then
    keys[#keys + 1] = KEYS[i]
    arguments[#arguments + 1] = at
  end
end

local stored = {}
for first = 1, #keys, KEYS_A_READ do
  local last = math.min(first + KEYS_A_READ - 1, #keys)
  local texts = redis.call('MGET', unpack(keys, first, last))
  for i = first, last do
    local text = texts[i - first + 1]
    if text and is_newer(text) then
      return redis.error_reply('NEWER a window was written by a newer version')
    end
    stored[keys[i]] = text
  end
end

for i, key in ipairs(keys) do
  local at = arguments[i]
  local text, ends_at = merge(stored[key], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3])
  if text ~= stored[key] then
    redis.call('SET', key, text, 'PXAT', ends_at)
    stored[key] = text
  end
end
if tonumber(ARGV[2]) > tonumber(next) then
  redis.call('SET', KEYS[1], '1 ' .. ARGV[2] .. ' ' .. topic_id .. ' ' .. unchanged)
end
return 1
