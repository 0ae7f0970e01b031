-- Uses a value up. KEYS: value, taken. ARGV: attempt or empty, its life in ms.
-- What was taken is kept as "attempt value" for whoever took it.
local found = redis.call('MGET', KEYS[1], KEYS[2])
local value, taken = found[1], found[2]
local mark = ARGV[1] .. ' '
if ARGV[1] ~= '' and taken and string.sub(taken, 1, #mark) == mark then
  -- Written again for WAIT, which speaks for its own connection only.
  redis.call('SET', KEYS[2], taken, 'KEEPTTL')
  return string.sub(taken, #mark + 1)
end
if not value then return false end
redis.call('DEL', KEYS[1])
if ARGV[1] ~= '' then redis.call('SET', KEYS[2], mark .. value, 'PX', ARGV[2]) end
return value
