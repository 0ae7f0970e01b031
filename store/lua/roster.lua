-- Who of a meeting is connected where. KEYS: hash of "ms list" by node.
-- ARGV: node, its list or empty, life of an entry in ms, meeting
-- Answers the lists of the other nodes. What a node that fell left behind ends
-- by Redis's own clock. A change wakes the others. CHANNEL is put in by Open.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all = redis.call('HGETALL', KEYS[1])
local others, before = {}, ''
for i = 1, #all, 2 do
  local ends, list = string.match(all[i + 1], '^(%d+) (.*)$')
  if all[i] == ARGV[1] then
    before = list
  elseif tonumber(ends) <= now then
    redis.call('HDEL', KEYS[1], all[i])
  else
    others[#others + 1] = list
  end
end
if ARGV[2] ~= '' then
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + ARGV[3]) .. ' ' .. ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
elseif before ~= '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
end
if before ~= ARGV[2] then redis.pcall('PUBLISH', CHANNEL, ARGV[4]) end
return others
