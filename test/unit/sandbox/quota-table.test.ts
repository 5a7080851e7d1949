/** The page about the sandbox says of each provider how much it takes. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { DEFAULT_QUOTAS, DIALECTS } from '../../../ts/sandbox/dialects/index.ts'

const PAGE = readFileSync(new URL('../../../docs/sandbox.md', import.meta.url), 'utf8')
const ROWS = new Map(
  PAGE.slice(PAGE.indexOf('### Quotas'), PAGE.indexOf('## Admin interface'))
    .split('\n')
    .flatMap((line) => {
      const source = /^\| `([a-z_]+)`/.exec(line)?.[1]
      return source === undefined ? [] : [[source, line] as const]
    }),
)

describe('the table of quotas', () => {
  it.each(Object.entries(DEFAULT_QUOTAS))('has %s with its limits', (source, rules) => {
    const row = ROWS.get(source) ?? 'no row'
    for (const { limit, enforce, concurrency } of rules) {
      expect(row).toContain(concurrency === true ? 'one request at a time' : new Intl.NumberFormat('en-US').format(limit))
      expect(row.includes('not enforced')).toBe(enforce === false)
    }
  })

  it('has no other but those that share a count', () => {
    const known = new Set([...Object.keys(DEFAULT_QUOTAS), ...DIALECTS.map(({ prefix }) => prefix)])
    expect([...ROWS.keys()].filter((source) => !known.has(source))).toEqual([])
  })
})
