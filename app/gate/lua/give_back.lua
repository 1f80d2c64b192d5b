-- give_back: returns leaked tickets to the stock. If two callers decided on the same snapshot, only one gives back.
-- KEYS  1 sale (hash)
-- ARGV  1 round  2 epoch  3 repairs and 4 released (as in the caller's snapshot)  5 tickets
-- returns {'given-back', remaining} | {'refused', remaining, or 0 if the sale is missing}
--
-- Leaked are the tickets that were taken and never written as an order. More than these are never given back.
local here = redis.call('HMGET', KEYS[1], 'round', 'epoch', 'repairs', 'released', 'state', 'remaining', 'allotted',
  'written', 'accepted', 'written_orders')
local remaining = tonumber(here[6] or 0)
for i = 1, 4 do
  if here[i] ~= ARGV[i] then return {'refused', remaining} end
end
local tickets = assert(tonumber(ARGV[5]), 'give_back: the tickets are not a number')
local leaked = tonumber(here[7]) - remaining - tonumber(here[8])
if here[5] == 'fenced' or tickets < 1 or tickets > leaked or here[9] ~= here[10] then return {'refused', remaining} end
redis.call('HINCRBY', KEYS[1], 'repairs', 1)
return {'given-back', redis.call('HINCRBY', KEYS[1], 'remaining', tickets)}
