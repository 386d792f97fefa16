-- Opens the log, and creates it if it does not exist. Begins an epoch if the log is new, if the
-- server is not the one that wrote last, or if the current epoch is distrusted.
--
-- KEYS: meta, log
-- ARGV: id of a new log, meta of a new log, epoch, distrusted epoch or '', then the group that says
--       that the epoch begins: its positions, its tag, its bytes
local id = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
if not id then return redis.error_reply('NOID the server does not tell its replication id') end
local m = redis.call('HMGET', KEYS[1], 'format', 'log', 'epoch', 'server', 'head', 'tag')
if m[2] and m[1] ~= '1' then return redis.error_reply('FORMAT ' .. tostring(m[1])) end
-- A log whose stream was deleted has lost its history. Truncation alone leaves an empty stream.
local new = not m[2] or redis.call('EXISTS', KEYS[2]) == 0
local head, tag = m[5], m[6]
if new then
  redis.call('DEL', KEYS[1], KEYS[2])
  redis.call('HSET', KEYS[1], 'format', '1', 'log', ARGV[1], 'meta', ARGV[2], 'trimmed', '0',
    'snap', '', 'chunks', '0', 'prev', '', 'prev_chunks', '0')
  head, tag = '0', '0000000000000000'
end
if new or m[4] ~= id or m[3] == ARGV[4] then
  local t = redis.call('TIME')
  local ms = t[1] .. string.sub(t[2] + 1000000, 2, 4)
  head = string.format('%.0f', head + ARGV[5])
  redis.call('XADD', KEYS[2], head .. '-0', 'p', tag, 't', ms, 'g', ARGV[7])
  redis.call('HSET', KEYS[1], 'epoch', ARGV[3], 'server', id, 'head', head, 'tag', ARGV[6])
end
return redis.call('HMGET', KEYS[1], 'log', 'epoch', 'head', 'trimmed', 'snap', 'meta', 'server')
