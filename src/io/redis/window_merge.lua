#!lua
-- How two texts of one window become one. The scripts that write windows go on from here.
--
-- Texts are put together from the digits that were read, since formatting a number is what costs most here.

local byte, match, sub = string.byte, string.match, string.sub
local MINUS, ZERO, ONE, SPACE = byte('-'), byte('0'), byte('1'), byte(' ')
local EARLIEST_MS, LATEST_MS = -62167219200000, 253402300799999
local LAST_PARTITION, LAST_OFFSET = 2147483647, 9223372036854775807

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
