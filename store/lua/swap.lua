-- Puts a value if what is there is what the caller read. KEYS: value.
-- ARGV: what was read, 1 if there was any, the value to put, its life in ms.
-- A second sending finds its own value and is done.
local is = redis.call('GET', KEYS[1])
if is == ARGV[3] then
  -- Written again for WAIT, which speaks for its own connection only.
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
  return 1
end
if ARGV[2] == '1' then
  if is ~= ARGV[1] then return 0 end
elseif is then
  return 0
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 1
