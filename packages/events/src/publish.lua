-- Publishes a message that names the one before it.
--
-- KEYS[1]  mark of the topic's last message
-- ARGV     PUBLISH or SPUBLISH; channel (of the slot of the key); mark of this message; its JSON; milliseconds that the mark is kept
-- Returns  connections that were told
--
-- Atomic: the messages of a topic are published in the order in which their marks follow each other. A script that dies between the
-- two commands leaves a mark without a message, which subscribers take for a loss: rightly, the publisher was told of a failure.
local before = redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[5], 'GET') or ''
return redis.call(ARGV[1], ARGV[2], 'larder:' .. before .. ':' .. ARGV[3] .. ':' .. ARGV[4])
