-- One change of one meeting: everything or nothing (see Commit in store.go).
--
-- KEYS: documents (hash), stream[, attempt]
-- ARGV: 1 bytes: numbers of reads, writes, deletes, events (two each),
--         1 if durable, step of the version (three)
--       2 expiry in ms, or empty   3 meeting   4 answer, if there is an attempt
--       then names read, versions read ("17:", or empty for absent),
--       names and values written, names deleted,
--       and, if there are events, the names written and the events
--
-- A document is "version:payload". The field with the empty name is the
-- meeting's own "version:expiry:1 if there is a stream". Answers 1 for done,
-- 0 for a conflict, -1 for no expiry, or what the attempt was answered before.
-- LIFE, CHANNEL and STREAM are put in by Open.
local call, argv = redis.call, ARGV
local docs, stream, attempt = KEYS[1], KEYS[2], KEYS[3]
local r1, r0, w1, w0, d1, d0, e1, e0, durable, s2, s1, s0 = string.byte(argv[1], 1, 12)

local at = 3
if attempt then
  local answer = call('GET', attempt)
  if answer then
    if durable == 1 then
      -- WAIT speaks for the writes of its own connection only, and the first
      -- sending may have come over another one.
      call('SET', attempt, answer, 'KEEPTTL')
    end
    return answer
  end
  at = 4
end

local reads, writes, deletes, events = r1 * 256 + r0, w1 * 256 + w0, d1 * 256 + d0, e1 * 256 + e0
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

local version, expires, streamed = 0, '', '0'
if found[1] then
  version, expires, streamed = string.match(found[1], '^(%d+):(-?%d+):(%d)$')
end
local renew = argv[2] ~= '' and argv[2] ~= expires
if renew then expires = argv[2] end
if expires == '' then return -1 end
version = string.format('%.0f:', version + s2 * 65536 + s1 * 256 + s0)
local fresh = events > 0 and streamed == '0'
if fresh then streamed = '1' end

for i = at + 2, at + 2 * writes, 2 do argv[i] = version .. argv[i] end
call('HSET', docs, '', version .. expires .. ':' .. streamed, unpack(argv, at + 1, at + 2 * writes))
at = at + 2 * writes
if deletes > 0 then
  call('HDEL', docs, unpack(argv, at + 1, at + deletes))
  at = at + deletes
end
for i = at + 2, at + 1 + events do
  call('XADD', stream, 'MAXLEN', '~', STREAM, '*', 'v', argv[i], 'd', argv[at + 1])
end
if renew then call('PEXPIREAT', docs, expires) end
if fresh or (renew and streamed == '1') then call('PEXPIREAT', stream, expires) end
if attempt then call('SET', attempt, argv[4], 'PX', LIFE) end
-- A wake that is not allowed or lost undoes nothing: the sweep finds it.
redis.pcall('PUBLISH', CHANNEL, argv[3])
return 1
