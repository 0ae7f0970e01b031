-- Counts one try. KEYS: list of the tries allowed, newest first, each
-- "ms mark". ARGV: limit, window in ms, mark of this try, 1 if sent again.
-- The list is never longer than the limit. A try refused leaves no trace.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit = tonumber(ARGV[1])
if ARGV[4] == '1' then
  for _, try in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
    if string.match(try, ' (.*)$') == ARGV[3] then return 1 end
  end
end
local oldest = redis.call('LINDEX', KEYS[1], limit - 1)
if oldest and now - string.match(oldest, '^%d+') < tonumber(ARGV[2]) then return 0 end
redis.call('LPUSH', KEYS[1], string.format('%.0f', now) .. ' ' .. ARGV[3])
redis.call('LTRIM', KEYS[1], 0, limit - 1)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
