/** Reading our own entities' attributes and pointing back at them. */
import type { Entity } from '../../model/entity.ts'
import { textOrNull } from '../../model/json.ts'
import type { EntityRef } from '../../model/keys.ts'
import { type EpochMs, parseUtcDate } from '../../model/time.ts'

export function attributeText(entity: Entity, name: string): string | null {
  return textOrNull(entity.attributes[name])
}

/** Answers carry the reference alone, not the whole entity. */
export function refOf(entity: Entity): EntityRef {
  return { kind: entity.kind, key: entity.key }
}

function awardYear(entity: Entity): number | null {
  const value = entity.attributes['award_year']
  const year = typeof value === 'string' && /^\d{4}$/.test(value) ? Number(value) : value
  return typeof year === 'number' && Number.isInteger(year) && year >= 1900 && year <= 2200 ? year : null
}

/** `award_year_2024`, `award_year_unknown`. */
export function awardYearCohort(entity: Entity): string {
  return `award_year_${awardYear(entity) ?? 'unknown'}`
}

/** The proposal award date, else the start of the award year. */
export function awardDate(entity: Entity): EpochMs | null {
  const exact = parseUtcDate(attributeText(entity, 'proposal_award_date') ?? '')
  if (exact !== null) return exact
  const year = awardYear(entity)
  return year === null ? null : Date.UTC(year, 0, 1)
}
