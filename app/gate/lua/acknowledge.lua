-- acknowledge: removes orders that are in the ledger (or set aside for a person) from the stream and the backlog, once.
-- KEYS  1 sale (hash)  2 orders (stream)
-- ARGV  1 group, then for each entry: its id, its round, its epoch, its quantity (tickets)
-- returns {entries that were still there, backlog (tickets) or -1 if the sale's hash is gone}
--
-- The backlog counts the present round only, and `acknowledged` the present epoch only. An entry that another worker has
-- already removed changes neither.
-- The counts are written last. After its first write a script is no longer refused for lack of memory, so a full server
-- still lets orders leave. It would refuse HINCRBY alone.
local WIDTH, FIRST = 4, 2
local group = ARGV[1]
local round, epoch, backlog = unpack(redis.call('HMGET', KEYS[1], 'round', 'epoch', 'backlog'))

local entries = {}
for base = FIRST, #ARGV, WIDTH do entries[#entries + 1] = ARGV[base] end
redis.call('XACK', KEYS[2], group, unpack(entries))

local deleted, tickets, orders_of_epoch, tickets_of_epoch = 0, 0, 0, 0
for base = FIRST, #ARGV, WIDTH do
  if redis.call('XDEL', KEYS[2], ARGV[base]) == 1 then
    local quantity = tonumber(ARGV[base + 3])
    deleted = deleted + 1
    if ARGV[base + 1] == round then
      tickets = tickets + quantity
      if ARGV[base + 2] == epoch then
        orders_of_epoch, tickets_of_epoch = orders_of_epoch + 1, tickets_of_epoch + quantity
      end
    end
  end
end

if not backlog then return {deleted, -1} end
if orders_of_epoch > 0 then
  redis.call('HINCRBY', KEYS[1], 'acknowledged', tickets_of_epoch)
  redis.call('HINCRBY', KEYS[1], 'acknowledged_orders', orders_of_epoch)
end
tickets = math.min(tickets, tonumber(backlog))
if tickets > 0 then return {deleted, redis.call('HINCRBY', KEYS[1], 'backlog', -tickets)} end
return {deleted, tonumber(backlog)}
