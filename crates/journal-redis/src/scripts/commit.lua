-- Makes a snapshot the newest one, truncates the log, and removes the snapshot that is older than
-- the one before. Returns 1; 0 if something changed meanwhile; -1 if a chunk is missing.
--
-- KEYS: meta, log, then the chunks of the snapshot, then the chunks that go
-- ARGV: epoch, replication id of the server, then what is expected: trimmed, newest snapshot, the
--       one before; then the snapshot: its name, its number of chunks, trimmed from now on, the mark
--       of the newest group in it
local m = redis.call('HMGET', KEYS[1], 'epoch', 'trimmed', 'snap', 'prev', 'head', 'chunks')
if m[1] ~= ARGV[1] or m[2] ~= ARGV[3] or m[3] ~= ARGV[4] or m[4] ~= ARGV[5] then return 0 end
-- A snapshot of what the log does not have, or a truncation that goes back.
local trimmed, taken_at = tonumber(ARGV[8]), tonumber(ARGV[9])
if tonumber(m[5]) < taken_at or taken_at < trimmed or trimmed < tonumber(m[2]) then return 0 end
if not string.find(redis.call('INFO', 'replication'), 'master_replid:' .. ARGV[2], 1, true) then
  return redis.error_reply('SERVER is another one')
end
local after = 2 + tonumber(ARGV[7])
for i = 3, after do
  if redis.call('EXISTS', KEYS[i]) == 0 then return -1 end
end
-- What frees memory comes first: a server without memory refuses `HSET` only as a first write.
redis.call('XTRIM', KEYS[2], 'MINID', '=', string.format('%.0f-0', trimmed + 1))
for i = after + 1, #KEYS do redis.call('UNLINK', KEYS[i]) end
for i = 3, after do redis.call('PERSIST', KEYS[i]) end
redis.call('HSET', KEYS[1], 'trimmed', ARGV[8], 'snap', ARGV[6], 'chunks', ARGV[7], 'prev', m[3], 'prev_chunks', m[6])
return 1
