import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { schemaLeaves } from '../../../ts/config/json-schema.ts'

const TS = join(import.meta.dirname, '../../../ts')

/** Source text of the program outside ts/config, without comments and without text between quotes. */
function programText(): string {
  const files = readdirSync(TS, { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => name.endsWith('.ts') && !name.startsWith('config/') && !name.startsWith('sandbox/'))
  return files
    .map((name) => readFileSync(join(TS, name), 'utf8'))
    .join('\n')
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .replaceAll(/(^|\s)\/\/.*$/gm, '')
    .replaceAll(/'[^'\n]*'/g, "''")
}

describe('every key of the configuration', () => {
  const text = programText()
  const keys = [
    ...new Set(
      schemaLeaves().flatMap((leaf) =>
        leaf.path
          .replaceAll('[]', '')
          .split('.')
          .filter((part) => !part.startsWith('<')),
      ),
    ),
  ]

  // Read as `something.key`, or taken out of something: `{ key }`, `{ key: name }`, `[['key']]` are how code reads a member.
  it.each(keys)('%s is read by code outside ts/config', (key) => {
    const member = new RegExp(`\\.${key}\\b`)
    const taken = new RegExp(`\\{[^{}]*\\b${key}\\b[^{}]*\\}\\s*(?:=|of|:\\s*[A-Z]|\\))`)
    expect(member.test(text) || taken.test(text)).toBe(true)
  })

  it('is found at all', () => {
    expect(keys).toContain('stop_within')
    expect(keys.length).toBeGreaterThan(40)
    expect(text.length).toBeGreaterThan(100_000)
    expect(/\.no_such_key\b/.test(text)).toBe(false)
  })
})
