import type { Edit } from './edit.js'

/** What is broken in the scripts of one key, as in the models. */
export const LEASE_MUTANTS = {
  'lease of an absent key beside it': [
    [
      'lease',
      "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])",
      "redis.call('SET', string.gsub(KEYS[1], ':v:', ':l:'), ARGV[1], 'PX', ARGV[2])",
    ],
    [
      'fill',
      "if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end",
      "if redis.pcall('GET', KEYS[2]) ~= ARGV[1] then return 0 end redis.call('DEL', KEYS[2])",
    ],
  ],
  'refresh that does not look at the entry again': [['fill', 'if id ~= ARGV[2] then return 0 end', '']],
  'refresh that does not look at its lease': [
    ['fill', "if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end", ''],
  ],
  'commit that leaves the entry': [['commit', "else redis.call('DEL', KEYS[1]) end", 'end']],
  'store that does not look at its placeholder': [
    ['fill', "if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end", ''],
  ],
  'commit that does not look at its ticket': [['commit', "redis.pcall('GET', KEYS[1]) == ARGV[1]", 'true']],
} as const satisfies Record<string, readonly Edit[]>

/** The name of a broken variant. */
export type LeaseMutant = keyof typeof LEASE_MUTANTS
