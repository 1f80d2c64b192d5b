-- join: creates the group of workers at the beginning of the stream, unless the group exists.
-- KEYS  1 orders (stream)
-- ARGV  1 group
-- returns 1 | 0 if there is no stream, and so no group to join
--
-- It is a script because a full server refuses XGROUP CREATE, even for a group that exists: no order would ever leave
-- the stream again. After its first write a script is no longer refused for lack of memory. PERSIST is that write; it
-- changes nothing, since the stream has no time to live.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  if group[2] == ARGV[1] then return 1 end
end
redis.call('PERSIST', KEYS[1])
redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0')
return 1
