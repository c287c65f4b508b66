#!lua
-- Advances a server's own frontier, if the server still has what was written before.
--
-- KEYS: the frontier, the nonce. ARGV: from, to, topic id, the nonce that was written behind the windows. Answers 1; 0
-- when the stored frontier does not lead up to `from`; -1 when the nonce is not there: the server went back to an
-- earlier state since, and what was written may be gone. After 0 or -1 nothing has changed.

if redis.call('GET', KEYS[2]) ~= ARGV[4] then
  return -1
end
local frontier = redis.call('GET', KEYS[1])
if not frontier then
  return 0
end
local next, topic_id, unchanged = string.match(frontier, '^1 (%d+) (%S+) (%S+ %d+)$')
if not next or topic_id ~= ARGV[3] or tonumber(next) < tonumber(ARGV[1]) then
  return 0
end
if tonumber(ARGV[2]) > tonumber(next) then
  redis.call('SET', KEYS[1], '1 ' .. ARGV[2] .. ' ' .. topic_id .. ' ' .. unchanged)
end
return 1
