-- One change of one meeting: everything or nothing (see Commit in store.go).
--
-- KEYS: documents (hash), stream[, attempt]
-- ARGV:  1 number of reads   2 of writes   3 of deletes   4 of events
--        5 step of the version             6 expiry in ms, or empty
--        7 life of the attempt in ms       8 1 if durable
--        9 channel to wake  10 meeting    11 names written  12 answer
--       13... names read, versions read ("17:", or empty for absent),
--       names and values written, names deleted, events
--
-- A document is "version:payload". The field with the empty name is the
-- meeting's own "version:expiry:1 if there is a stream". Answers 1 for done,
-- 0 for a conflict, -1 for no expiry, or what the attempt was answered before.
local call, argv = redis.call, ARGV
local docs, stream, attempt = KEYS[1], KEYS[2], KEYS[3]

if attempt then
  local answer = call('GET', attempt)
  if answer then
    if argv[8] == '1' then
      -- WAIT speaks for the writes of its own connection only, and the first
      -- sending may have come over another one.
      call('SET', attempt, answer, 'KEEPTTL')
    end
    return answer
  end
end

local reads, writes = tonumber(argv[1]), tonumber(argv[2])
local deletes, events = tonumber(argv[3]), tonumber(argv[4])
local at = 12
local found = call('HMGET', docs, '', unpack(argv, at + 1, at + reads))
at = at + reads
for i = 1, reads do
  local want, have = argv[at + i], found[i + 1]
  if want == '' then
    if have then return 0 end
  elseif not have or string.sub(have, 1, #want) ~= want then
    return 0
  end
end
at = at + reads

local version, expires, streamed = '0', '', '0'
if found[1] then
  version, expires, streamed = string.match(found[1], '^(%d+):(-?%d+):(%d)$')
end
local renew = argv[6] ~= '' and argv[6] ~= expires
if renew then expires = argv[6] end
if expires == '' then return -1 end
version = string.format('%.0f', version + argv[5])
local fresh = events > 0 and streamed == '0'
if fresh then streamed = '1' end

local set = { '', version .. ':' .. expires .. ':' .. streamed }
local prefix = version .. ':'
for i = 1, writes do
  set[2 * i + 1] = argv[at + 2 * i - 1]
  set[2 * i + 2] = prefix .. argv[at + 2 * i]
end
at = at + 2 * writes
call('HSET', docs, unpack(set))
if deletes > 0 then
  call('HDEL', docs, unpack(argv, at + 1, at + deletes))
  at = at + deletes
end
for i = 1, events do
  call('XADD', stream, 'MAXLEN', '~', 100000, '*', 'v', argv[at + i], 'd', argv[11])
end
if renew then call('PEXPIREAT', docs, expires) end
if fresh or (renew and streamed == '1') then call('PEXPIREAT', stream, expires) end
if attempt then call('SET', attempt, argv[12], 'PX', argv[7]) end
-- A wake that is not allowed or lost undoes nothing: the sweep finds it.
redis.pcall('PUBLISH', argv[9], argv[10])
return 1
