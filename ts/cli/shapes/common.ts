/** What several documents have in common, and the one for errors. */
import { z } from 'zod'
import { RECOVERIES } from '../../model/errors.ts'
import { ENTITY_KINDS } from '../../model/keys.ts'

export const instant = z.iso.datetime({ precision: 3 }).describe('UTC, e.g. 2026-11-21T03:00:00.000Z')

export const milliseconds = z.number().min(0)

export const howMany = z.number().int().min(0)

export const shareOf = z.number().min(0).max(1)

export const source = z.string().describe('Source id, e.g. sam_gov')

export const partitionKey = z.string().describe('source:cohort')

export const anyJson = z.json()

export const entity = { entity_kind: z.enum(ENTITY_KINDS), entity_key: z.string() }

export const window = z.strictObject({ from: instant, to: instant.describe('Not included') }).nullable()

export const problem = z.strictObject({
  path: z.string().describe('Place in the configuration'),
  origin: z.string().nullable().describe('File and line, variable or flag it came from'),
  message: z.string(),
  fix: z.string(),
})

export const errorShape = z.strictObject({
  error: z.strictObject({
    code: z.string().describe('Stable name, e.g. lease_held'),
    recovery: z.enum(RECOVERIES).describe('What helps: see exit codes'),
    exit_code: z.number().int(),
    message: z.string(),
    next: z.string().nullable().describe('What to do next'),
    problems: z.array(problem).describe('All problems of a configuration; else empty'),
  }),
})
