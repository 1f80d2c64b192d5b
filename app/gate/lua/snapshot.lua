-- snapshot: returns a sale as the gate has it, at one instant.
-- KEYS  1 sale (hash)  2 orders (stream)
-- returns {} if the sale or a field of it is missing, or if a field that must be a number is not one; otherwise
--   {round, epoch, state, stock, remaining, backlog, accepted, repairs, released, server, limit, opens, closes,
--    last entry in the stream or ''}
local sale = redis.call('HMGET', KEYS[1], 'round', 'epoch', 'state', 'stock', 'remaining', 'backlog', 'accepted',
  'repairs', 'released', 'server', 'limit', 'opens', 'closes', 'hinted', 'expires')
local TEXTS = {[3] = true, [10] = true}  -- state, server
for field = 1, 15 do
  -- reserve refuses such a sale; only a recount can repair it
  if not sale[field] or not (TEXTS[field] or tonumber(sale[field])) then return {} end
end
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
sale[14] = last[1] and last[1][1] or ''
return {unpack(sale, 1, 14)}
