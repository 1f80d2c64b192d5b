-- join: makes sure that the group of workers is there, at the stream's beginning.
-- KEYS  1 orders (stream)
-- ARGV  1 group
-- returns 1 | 0 where there is no stream, and so nothing to join
--
-- A script and not XGROUP CREATE, which a full server refuses, also of a group that is there: no order would ever leave
-- it again. After a script's first write nothing of it is refused for memory; PERSIST writes nothing to a stream without
-- a time to live.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  if group[2] == ARGV[1] then return 1 end
end
redis.call('PERSIST', KEYS[1])
redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0')
return 1
