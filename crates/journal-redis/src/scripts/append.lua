-- Appends a group, if the epoch is the current one and the server the one on which it was opened.
--
-- KEYS: meta, log
-- ARGV: epoch, replication id of the server, positions, tag, bytes of the group
local m = redis.call('HMGET', KEYS[1], 'epoch', 'tag', 'head')
if m[1] ~= ARGV[1] then return redis.error_reply('EPOCH ' .. tostring(m[1]) .. ' is the current one') end
-- The colon matters: a promoted server has the old id as `master_replid2`.
if not string.find(redis.call('INFO', 'replication'), 'master_replid:' .. ARGV[2], 1, true) then
  return redis.error_reply('SERVER is another one')
end
local t = redis.call('TIME')
local ms = t[1] .. string.sub(t[2] + 1000000, 2, 4)
local last = string.format('%.0f', m[3] + ARGV[3])
-- The first write is the one that can fail (no memory, a replica, an id that is too low), so that
-- nothing changes if it does.
if not redis.call('XADD', KEYS[2], 'NOMKSTREAM', last .. '-0', 'p', m[2], 't', ms, 'g', ARGV[5]) then
  return redis.error_reply('STREAM was deleted')
end
redis.call('HSET', KEYS[1], 'head', last, 'tag', ARGV[4])
return {last, m[2], ms}
