#!lua
-- Sets a frontier if what is stored is still what was seen.
--
-- KEYS: the frontier. ARGV: the text that was seen (empty for nothing), the text to store. Answers 1, or 0 when
-- something else is stored by now.

if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2])
return 1
