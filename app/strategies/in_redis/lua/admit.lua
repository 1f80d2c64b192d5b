-- admit: admits purchases for as many tickets as the ledger had a moment ago. When the key expires, the tickets
-- that the next caller read in the ledger take its place.
-- KEYS  1 tickets (string)
-- ARGV  1 quantity  2 left (tickets, as the caller has just read them in the ledger)  3 life (milliseconds)
-- returns 1 if the purchase may go on, else 0
local left = redis.call('GET', KEYS[1])
local quantity = tonumber(ARGV[1])
if not left then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  left = ARGV[2]
end
if tonumber(left) < quantity then return 0 end
redis.call('DECRBY', KEYS[1], quantity)
return 1
