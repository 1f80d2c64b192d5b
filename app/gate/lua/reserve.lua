-- reserve: decides the purchases of one sale that waited together, in their order.
-- KEYS  1 sale (hash)  2 orders (stream)  3 answers of the round (hash)  4 customers of the round (hash)
-- ARGV  1 round  2 epoch  3 run id of the server to which the caller is connected ('' if it cannot be known)
--       then for each purchase: customer, key, quantity (tickets), nonce, traceparent ('' if it is not sampled)
-- returns {result, round, epoch, hint due (0|1), milliseconds until the sale opens, remaining, then four values for
--         each purchase}; for 'stale', instead of these, the traceparent of the span that seeded the sale's epoch here
--         ('' for none)
--   result    'decided' | 'missing' (no such sale here) | 'stale' (the caller's epoch or round is not the newest)
--             'behind' (the sale's epoch here is older than the caller's: this server lost its newest writes)
--             'moved' (the sale was seeded on another server) | 'fenced'
--             Unless the result is 'decided', no purchase was looked at and nothing is taken.
--   purchase  'reserved', entry, nonce, number (0 if it was decided before and this is a resend)
--             'replayed', entry, nonce, 0
--             'key-reused', quantity of the first purchase, '', 0
--             'sold-out', remaining, '', 0 | 'limit', held, limit, 0 | 'scheduled' | 'paused' | 'closed', '', '', 0
--
-- All reads and checks come before the first write, and the stock is lowered before an order is written. If an order
-- can't be written (a foreign key has the stream's name), its tickets and those of the purchases after it are therefore
-- leaked, and never are too many purchases admitted. `written` counts exactly what was written, so reconciliation knows
-- what leaked: tickets that were taken and not written. `accepted` and `written_orders` are the same number, unless a
-- release without these counts has sold too. Such a release finds the sale missing here: it needs a field `hinted`.
local WIDTH, FIRST = 5, 4
local HINT_EVERY_MS = 250

local sale = redis.call('HMGET', KEYS[1], 'round', 'epoch', 'state', 'server', 'stock', 'remaining', 'backlog',
  'accepted', 'limit', 'opens', 'closes', 'hinted_at', 'expires', 'written', 'written_orders')
local round, epoch, state, server = sale[1], tonumber(sale[2]), sale[3], sale[4]
local stock, remaining, backlog, accepted = tonumber(sale[5]), tonumber(sale[6]), tonumber(sale[7]), tonumber(sale[8])
local limit, opens, closes, hinted = tonumber(sale[9]), tonumber(sale[10]), tonumber(sale[11]), tonumber(sale[12])
local expires, written, written_orders = tonumber(sale[13]), tonumber(sale[14]), tonumber(sale[15])

if not (round and epoch and state and server and stock and remaining and backlog and accepted and limit and opens
    and closes and hinted and expires and written and written_orders) then
  return {'missing', 0, 0, 0, 0, 0}
end
local function refuse(result)
  local seeded_by = result == 'stale' and redis.call('HGET', KEYS[1], 'seeded_by') or ''
  return {result, tonumber(round), epoch, 0, 0, remaining, seeded_by}
end
local known_epoch = assert(tonumber(ARGV[2]), 'reserve: the epoch is not a number')
if known_epoch < epoch then return refuse('stale') end
if known_epoch > epoch then return refuse('behind') end
if ARGV[1] ~= round then return refuse('stale') end
if ARGV[3] ~= '' and ARGV[3] ~= server then return refuse('moved') end
if state == 'fenced' then return refuse('fenced') end

local purchases = {}
local answer_fields, customer_fields = {}, {}
for base = FIRST, #ARGV, WIDTH do
  local quantity = tonumber(ARGV[base + 2])
  assert(ARGV[base + 4], 'reserve: a purchase is incomplete')
  assert(quantity and quantity >= 1 and quantity == math.floor(quantity), 'reserve: a quantity is not a whole number')
  local field = ARGV[base] .. ' ' .. ARGV[base + 1]
  purchases[#purchases + 1] = {customer = ARGV[base], key = ARGV[base + 1], quantity = quantity, nonce = ARGV[base + 3],
    traceparent = ARGV[base + 4], field = field}
  answer_fields[#answer_fields + 1] = field
  customer_fields[#customer_fields + 1] = ARGV[base]
end
assert(#purchases > 0, 'reserve: no purchase')

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window = state
if state == 'open' and opens > now then window = 'scheduled' end
if closes > 0 and closes <= now then window = 'closed' end

local answers = redis.call('HMGET', KEYS[3], unpack(answer_fields))
local held = limit > 0 and redis.call('HMGET', KEYS[4], unpack(customer_fields)) or {}

-- Reads are done. `winners` holds the purchases to write. `first` and `holds` are what this batch adds to the answers
-- and to the customers' tickets.
local winners, first, holds, number = {}, {}, {}, accepted
for i, purchase in ipairs(purchases) do
  local answer, twin = answers[i], first[purchase.field]
  local customer_holds = holds[purchase.customer] or tonumber(held[i] or 0)
  if twin then
    if twin.quantity ~= purchase.quantity then
      purchase.outcome = {'key-reused', twin.quantity, '', 0}
    else
      purchase.twin = twin
    end
  elseif answer then
    local entry, nonce, quantity = string.match(answer, '^(%S+) (%S+) (%d+)')
    if tonumber(quantity) ~= purchase.quantity then
      purchase.outcome = {'key-reused', tonumber(quantity), '', 0}
    else
      -- Each HTTP request has its own nonce. The same nonce is a resend by the API process, not a replay by the buyer.
      purchase.outcome = {nonce == purchase.nonce and 'reserved' or 'replayed', entry, nonce, 0}
    end
  elseif window ~= 'open' then
    purchase.outcome = {window, '', '', 0}
  elseif limit > 0 and customer_holds + purchase.quantity > limit then
    purchase.outcome = {'limit', customer_holds, limit, 0}
  elseif purchase.quantity > remaining then
    purchase.outcome = {'sold-out', remaining, '', 0}
  else
    number = number + 1
    purchase.number = number
    purchase.ticket = stock - remaining + 1
    remaining = remaining - purchase.quantity
    holds[purchase.customer] = customer_holds + purchase.quantity
    first[purchase.field] = purchase
    winners[#winners + 1] = purchase
  end
end

-- A hash that does not exist yet can't be given an expiry, so the write that creates it sets the expiry.
local function remember(key, fields)
  local added = redis.call('HSET', key, unpack(fields))
  if expires > 0 and redis.call('HLEN', key) == added then redis.call('EXPIREAT', key, expires) end
end

local hint = 0
if #winners > 0 then
  -- A clock that was set back must not stop the hints until it has caught up.
  if now < hinted or now - hinted >= HINT_EVERY_MS then hint, hinted = 1, now end
  redis.call('HSET', KEYS[1], 'remaining', remaining, 'hinted_at', hinted)
  local remembered, counted, failure, of_epoch = {}, {}, nil, ' ' .. epoch .. ' '
  for _, purchase in ipairs(winners) do
    local order = {'round', round, 'epoch', epoch, 'number', purchase.number, 'customer', purchase.customer,
      'key', purchase.key, 'quantity', purchase.quantity, 'nonce', purchase.nonce, 'ticket', purchase.ticket}
    if purchase.traceparent ~= '' then
      order[#order + 1] = 'traceparent'
      order[#order + 1] = purchase.traceparent
    end
    local entry = redis.pcall('XADD', KEYS[2], '*', unpack(order))
    if type(entry) == 'table' then
      failure = entry
      break
    end
    purchase.outcome = {'reserved', entry, purchase.nonce, purchase.number}
    accepted, written, written_orders = purchase.number, written + purchase.quantity, written_orders + 1
    backlog = backlog + purchase.quantity
    -- With the rest of the order, the ledger can be given the booking again if it loses it.
    remembered[#remembered + 1] = purchase.field
    remembered[#remembered + 1] = entry .. ' ' .. purchase.nonce .. ' ' .. purchase.quantity .. of_epoch ..
      purchase.number .. ' ' .. purchase.ticket
    if limit > 0 then
      counted[#counted + 1] = purchase.customer
      counted[#counted + 1] = holds[purchase.customer]
    end
  end
  if #remembered > 0 then
    redis.call('HSET', KEYS[1], 'accepted', accepted, 'backlog', backlog, 'written', written,
      'written_orders', written_orders)
    remember(KEYS[3], remembered)
    if limit > 0 then remember(KEYS[4], counted) end
  end
  if failure then return failure end
end

local reply = {'decided', tonumber(round), epoch, hint, math.max(0, opens - now), remaining}
for _, purchase in ipairs(purchases) do
  local outcome = purchase.outcome
  if purchase.twin then
    local twin = purchase.twin.outcome
    outcome = {purchase.nonce == twin[3] and 'reserved' or 'replayed', twin[2], twin[3], 0}
  end
  for part = 1, 4 do reply[#reply + 1] = outcome[part] end
end
return reply
