-- acknowledge: removes orders that are in the ledger (or set aside for a person) from the stream and the backlog, once.
-- KEYS  1 sale (hash)  2 orders (stream)
-- ARGV  1 group, then for each entry: its id, its round, its quantity (tickets)
-- returns {entries that were still there, backlog (tickets) or -1 if the sale's hash is gone}
--
-- The backlog counts the present round only. An entry that another worker has already removed does not lower it, nor
-- does an entry of an earlier round.
-- The backlog is written last. After its first write a script is no longer refused for lack of memory, so a full server
-- still lets orders leave. It would refuse HINCRBY alone.
local group = ARGV[1]
local round, backlog = unpack(redis.call('HMGET', KEYS[1], 'round', 'backlog'))

local entries = {}
for base = 2, #ARGV, 3 do entries[#entries + 1] = ARGV[base] end
redis.call('XACK', KEYS[2], group, unpack(entries))

local deleted, tickets = 0, 0
for base = 2, #ARGV, 3 do
  if redis.call('XDEL', KEYS[2], ARGV[base]) == 1 then
    deleted = deleted + 1
    if ARGV[base + 1] == round then tickets = tickets + tonumber(ARGV[base + 2]) end
  end
end

if not backlog then return {deleted, -1} end
tickets = math.min(tickets, tonumber(backlog))
if tickets > 0 then return {deleted, redis.call('HINCRBY', KEYS[1], 'backlog', -tickets)} end
return {deleted, tonumber(backlog)}
