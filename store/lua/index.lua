-- A person's meetings. KEYS: sorted by end, sorted by expiry.
-- ARGV: put, meeting, end, expiry | drop, meeting | list, from, limit |
-- lease, now, until, limit | release, meeting, until, next or nothing
local ends, expiries = KEYS[1], KEYS[2]
if ARGV[1] == 'put' then
  redis.call('ZADD', ends, ARGV[3], ARGV[2])
  redis.call('ZADD', expiries, ARGV[4], ARGV[2])
elseif ARGV[1] == 'drop' then
  redis.call('ZREM', ends, ARGV[2])
  redis.call('ZREM', expiries, ARGV[2])
end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local gone = redis.call('ZRANGEBYSCORE', expiries, '-inf', now, 'LIMIT', 0, 1000)
if #gone > 0 then
  redis.call('ZREM', ends, unpack(gone))
  redis.call('ZREM', expiries, unpack(gone))
end
if ARGV[1] == 'lease' then
  local due = redis.call('ZRANGEBYSCORE', ends, '-inf', ARGV[2], 'LIMIT', 0, ARGV[4])
  for _, meeting in ipairs(due) do
    redis.call('ZADD', ends, ARGV[3], meeting)
  end
  return due
end
if ARGV[1] == 'release' then
  local leased = redis.call('ZSCORE', ends, ARGV[2])
  if not leased or tonumber(leased) ~= tonumber(ARGV[3]) then
    return 0 -- somebody has asked for it since
  end
  if ARGV[4] ~= '' then
    redis.call('ZADD', ends, ARGV[4], ARGV[2])
  else
    redis.call('ZREM', ends, ARGV[2])
    redis.call('ZREM', expiries, ARGV[2])
  end
  return 1
end
if ARGV[1] == 'list' then
  return redis.call('ZRANGEBYSCORE', ends, ARGV[2], '+inf', 'LIMIT', 0, ARGV[3])
end
local last = redis.call('ZREVRANGE', expiries, 0, 0, 'WITHSCORES')
if last[2] then
  redis.call('PEXPIREAT', ends, last[2])
  redis.call('PEXPIREAT', expiries, last[2])
end
return 1
