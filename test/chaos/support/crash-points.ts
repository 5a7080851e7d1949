/** The named crash points, read from the code: those written out, and three for each named transaction of the store. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const REPOSITORY = join(import.meta.dirname, '../../..')

function textsBelow(directory: string): readonly string[] {
  return readdirSync(join(REPOSITORY, directory), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(join(REPOSITORY, directory, file), 'utf8'))
}

export const TRANSACTION_STEPS = ['begin', 'before_commit', 'after_commit'] as const

/** Names under which the store writes, e.g. `acquire_quota`. */
export function transactionsInCode(): readonly string[] {
  const found = new Set<string>()
  for (const text of textsBelow('ts/stores/sqlite'))
    for (const match of text.matchAll(/\b(?:db|connection)\.write\(\s*'([a-z_]+)'/g)) found.add(match[1]!)
  return [...found].sort()
}

export function writtenOutInCode(): readonly string[] {
  const found = new Set<string>()
  for (const text of textsBelow('ts')) for (const match of text.matchAll(/\breach\(\s*'([a-z_.]+)'/g)) found.add(match[1]!)
  return [...found].sort()
}

export function pointsInCode(): readonly string[] {
  const ofStore = transactionsInCode().flatMap((name) => TRANSACTION_STEPS.map((step) => `store.${name}.${step}`))
  return [...new Set([...writtenOutInCode(), ...ofStore])].sort()
}
