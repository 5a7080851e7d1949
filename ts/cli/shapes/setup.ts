/** Documents about the set-up: sources, configuration, sandbox. */
import { z } from 'zod'
import { ENTITY_KINDS } from '../../model/keys.ts'
import { STRATEGIES } from '../../model/plan.ts'
import { RESPONSE_CLASSES } from '../../model/response.ts'
import { anyJson, howMany, instant, milliseconds, problem, source } from './common.ts'

export const sourcesShape = z.strictObject({
  sources: z.array(
    z.strictObject({
      source,
      adapter: z.string(),
      title: z.string(),
      docs: z.string(),
      base_url: z.string(),
      enabled: z.boolean(),
      cadence: z.string(),
      sla: z.string(),
      quotas: z.array(
        z.strictObject({ limit: howMany, per: z.string(), resets: z.string(), unit: z.enum(['request', 'credit']) }),
      ),
      identities: source.nullable().describe('The source under which its identities are looked for'),
      entity_kinds: z.array(z.enum(ENTITY_KINDS)),
      strategies: z.array(z.enum(STRATEGIES)),
      credentials: z.array(
        z.strictObject({ name: z.string(), env: z.string().nullable(), required: z.boolean(), available: z.boolean() }),
      ),
    }),
  ),
})

export const sourcesCheckShape = z.strictObject({
  checks: z.array(
    z.strictObject({
      source,
      title: z.string(),
      enabled: z.boolean(),
      ok: z.boolean(),
      result: z.enum([...RESPONSE_CLASSES, 'refused']).describe('Class of the answer; `refused`: no question was asked'),
      reason: z.string(),
      status: z.number().int().nullable().describe('HTTP status'),
      until: instant.nullable(),
      duration_ms: milliseconds,
      next: z.string().nullable().describe('What to do about it; null when all is well'),
    }),
  ),
})

export const configCheckShape = z.strictObject({
  ok: z.boolean(),
  environment: z.string(),
  config_dir: z.string(),
  problems: z.array(problem),
  warnings: z.array(problem),
})

export const configShowShape = z.strictObject({
  environment: z.string(),
  files: z.array(z.string()),
  config: z.record(z.string(), anyJson),
  origins: z.record(z.string(), z.string()).describe('Path -> where it was written; what is not here is a default'),
})

export const configSchemaShape = z.looseObject({
  $schema: z.string(),
  type: z.literal('object'),
  properties: z.record(z.string(), anyJson),
})

export const sandboxShape = z.strictObject({
  serving: z.boolean(),
  url: z.string().nullable(),
  admin_url: z.string().nullable(),
  seed: howMany,
  companies: howMany,
  awards: howMany,
  speed: z.number().positive(),
  now: instant.describe('World time at the start'),
  files: z
    .array(z.strictObject({ path: z.string(), bytes: howMany }))
    .nullable()
    .describe('Bulk files written'),
})
