-- sell: decides one purchase by the standalone counter, and stores the answer. It writes no order for the workers.
-- KEYS  1 counter (hash)  2 answers, 3 customers and 4 orders (hashes)
-- ARGV  1 customer  2 key  3 quantity (tickets)  4 nonce  5 life (seconds)
-- returns {} if the counter is missing, else {round, epoch, milliseconds until it opens, first ticket, and the four
--   values of a purchase's outcome as in reserve.lua: the outcome and its details}. The ticket is valid only if the
--   number, the last of the four, is not 0
local counter = redis.call('HMGET', KEYS[1], 'round', 'epoch', 'stock', 'left', 'limit', 'opens', 'closes', 'state',
  'accepted')
for field = 1, 9 do
  if not counter[field] then return {} end
end
local round, epoch, stock = tonumber(counter[1]), tonumber(counter[2]), tonumber(counter[3])
local left, limit = tonumber(counter[4]), tonumber(counter[5])
local opens, closes, state, accepted = tonumber(counter[6]), tonumber(counter[7]), counter[8], tonumber(counter[9])
local customer, quantity, nonce = ARGV[1], tonumber(ARGV[3]), ARGV[4]
local field = customer .. ' ' .. ARGV[2]

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if state == 'open' and opens > now then state = 'scheduled' end
if closes > 0 and closes <= now then state = 'closed' end
local function reply(outcome, first, second, number)
  return {round, epoch, math.max(0, opens - now), stock - left + 1, outcome, first, second, number}
end

local answer = redis.call('HGET', KEYS[2], field)
if answer then
  local entry, won, tickets = string.match(answer, '^(%S+) (%S+) (%d+)$')
  if tonumber(tickets) ~= quantity then return reply('key-reused', tonumber(tickets), '', 0) end
  return reply(won == nonce and 'reserved' or 'replayed', entry, won, 0)
end
if state ~= 'open' then return reply(state, '', '', 0) end
local held = limit > 0 and tonumber(redis.call('HGET', KEYS[3], customer) or 0) or 0
if limit > 0 and held + quantity > limit then return reply('limit', held, limit, 0) end
if quantity > left then return reply('sold-out', left, '', 0) end

local entry = now .. '-' .. accepted + 1
local reserved = reply('reserved', entry, nonce, accepted + 1)
redis.call('HSET', KEYS[1], 'left', left - quantity, 'accepted', accepted + 1)
redis.call('HSET', KEYS[2], field, entry .. ' ' .. nonce .. ' ' .. quantity)
redis.call('HSET', KEYS[4], entry, nonce)
if limit > 0 then redis.call('HSET', KEYS[3], customer, held + quantity) end
for key = 1, 4 do redis.call('EXPIRE', KEYS[key], ARGV[5]) end
return reserved
