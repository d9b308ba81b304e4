import type { RedisEndpoint } from '@larder/test-redis'

async function nodeOf(nodes: readonly RedisEndpoint[], pattern: string): Promise<[RedisEndpoint, string][]> {
  const found = await Promise.all(
    nodes.map(async (node) =>
      (await node.cli<string[]>('KEYS', pattern)).map((key): [RedisEndpoint, string] => [node, key]),
    ),
  )
  return found.flat()
}

/** All keys and values of a namespace. */
export async function dumpOf(nodes: readonly RedisEndpoint[], namespace: string): Promise<string> {
  const lines: string[] = []
  for (const [node, key] of await nodeOf(nodes, `*${namespace}*`)) {
    const type = await node.cli<string>('TYPE', key)
    const read = { hash: ['HGETALL', key], zset: ['ZRANGE', key, 0, -1, 'WITHSCORES'], string: ['GET', key] }[type]
    if (!read) throw new Error(`A key of type ${type}`)
    lines.push(`${key} ${JSON.stringify(await node.cli(read[0] as string, ...read.slice(1)))}`)
  }
  return lines.join('\n')
}

const AGE = `
local by = tonumber(ARGV[1])
local ttl = redis.call('PTTL', KEYS[1])
if redis.call('TYPE', KEYS[1]).ok == 'zset' then
  local all = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
  for i = 1, #all, 2 do redis.call('ZADD', KEYS[1], all[i + 1] - by, all[i]) end
else
  local m = redis.call('HGET', KEYS[1], 'm')
  if m then
    local created, over, rest = string.match(m, '^(%d+) (%d+) (.*)$')
    redis.call('HSET', KEYS[1], 'm', string.format('%.0f %.0f %s', created - by, over - by, rest))
    redis.call('HSET', KEYS[1], 's', string.format('%.0f', redis.call('HGET', KEYS[1], 's') - by))
  end
end
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ttl - by))
`

/** Makes all keys of a namespace as they would be after that time. */
export async function ageOn(nodes: readonly RedisEndpoint[], namespace: string, milliseconds: number): Promise<void> {
  for (const [node, key] of await nodeOf(nodes, `${namespace}:*`)) await node.cli('EVAL', AGE, 1, key, milliseconds)
}
