-- snapshot: returns a sale as the gate has it, at one instant.
-- KEYS  1 sale (hash)  2 orders (stream)
-- ARGV  the names of the fields to return; each value must be a number, except of `state`, `server` and `ledger`
-- returns {} if the sale or a field of it is missing, or if a field that must be a number is not one; otherwise
--   {the values of the fields, then the last entry in the stream or ''}
local TEXTS = {state = true, server = true, ledger = true}
local sale = redis.call('HMGET', KEYS[1], unpack(ARGV))
for i, field in ipairs(ARGV) do
  -- reserve refuses such a sale; only a recount can repair it
  if not sale[i] or not (TEXTS[field] or tonumber(sale[i])) then return {} end
end
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
sale[#sale + 1] = last[1] and last[1][1] or ''
return sale
