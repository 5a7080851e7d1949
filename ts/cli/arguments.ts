/** Kinds of value on the command line: text in, meaning out, and a message that says what to write instead. Pure. */
import { z } from 'zod'
import { ENTITY_KINDS, type EntityRef, isCohortName, isEntityKind, type PartitionKey, parsePartitionKey } from '../model/keys.ts'
import { DAY_MS, type EpochMs, parseDuration, parseUtcDate } from '../model/time.ts'
import { parseWindow, type Window } from '../model/window.ts'

export const count = z
  .string()
  .regex(/^[1-9]\d{0,11}$/, 'must be a whole number above 0')
  .transform(Number)

export const wholeNumber = z
  .string()
  .regex(/^\d{1,12}$/, 'must be a whole number')
  .transform(Number)

export const share = z
  .string()
  .refine((text) => /^(0(\.\d+)?|1(\.0+)?|\.\d+)$/.test(text), 'must be a share between 0 and 1, e.g. 0.9')
  .transform(Number)

export const port = z
  .string()
  .regex(/^\d{1,5}$/, 'must be a port between 0 and 65535')
  .transform(Number)
  .refine((number) => number <= 65_535, 'must be a port between 0 and 65535')

export const window: z.ZodType<Window> = z.string().transform((text, check) => {
  const parsed = parseWindow(text)
  if (!('problem' in parsed)) return parsed
  check.addIssue({ code: 'custom', message: `: ${parsed.problem}` })
  return z.NEVER
})

export const cohort = z.string().refine(isCohortName, 'must be a cohort such as award_year_2024 (letters, digits, _ . -)')

export const partition: z.ZodType<PartitionKey> = z
  .string()
  .refine((text) => parsePartitionKey(text) !== null, 'must be a partition such as sam_gov:uei_batch_0001')

/** `company:uei:ABC` -> kind and key; the key may hold colons. */
export const entity: z.ZodType<EntityRef> = z.string().transform((text, check) => {
  const colon = text.indexOf(':')
  const kind = text.slice(0, Math.max(colon, 0))
  const key = text.slice(colon + 1).trim()
  if (isEntityKind(kind) && key !== '') return { kind, key }
  check.addIssue({
    code: 'custom',
    message: `must be kind:key, e.g. company:uei:ABCDEFGHIJK1 (kinds: ${ENTITY_KINDS.join(', ')})`,
  })
  return z.NEVER
})

/** A moment, or a time ago: the latter needs now, which only the handler knows. */
export type Moment = { readonly at: EpochMs } | { readonly agoMs: number }

export const moment: z.ZodType<Moment> = z.string().transform((text, check) => {
  const agoMs = parseDuration(text)
  if (agoMs !== null) return { agoMs }
  const day = parseUtcDate(text)
  if (day !== null) return { at: day }
  const at = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z$/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(at)) return { at }
  check.addIssue({
    code: 'custom',
    message: 'must be a time ago (24h, 7d), a UTC day (2026-11-21) or a UTC moment (2026-11-21T03:00Z)',
  })
  return z.NEVER
})

export function momentAt(value: Moment, now: EpochMs): EpochMs {
  return 'at' in value ? value.at : now - value.agoMs
}

/** Longest window that is still meant as one, for messages. */
/** A span of time in milliseconds. */
export const span: z.ZodType<number> = z.string().transform((text, check) => {
  const value = parseDuration(text)
  if (value !== null && value > 0) return value
  check.addIssue({ code: 'custom', message: 'must be a duration such as 12h, 7d or 2w' })
  return z.NEVER
})

export const YEAR_MS = 366 * DAY_MS
