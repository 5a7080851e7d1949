/** Which of the rows that carry an award's number is the award. */

import type { JsonObject } from '../../model/json.ts'
import type { Answer, FoundIdentity, Target } from '../adapter.ts'
import { canonicalDecimal } from '../shared/decimal.ts'
import { attributeText, refOf } from '../shared/entity.ts'
import { textAt } from '../shared/json.ts'
import { companyNameKey } from '../shared/names.ts'
import { stripId } from '../shared/text.ts'
import { agencyCode, paddedCode } from './agencies.ts'
import { matchKeys } from './award-ids.ts'
import { generatedIdOf, recordOfRow } from './record.ts'

/** What a row shares with our award besides its number. `null`: one side does not say. */
type Likeness = { readonly uei: boolean | null; readonly name: boolean | null; readonly agency: boolean | null }

const LEVELS = {
  uei: ['award_id+uei', 1],
  name: ['award_id+name', 0.95],
  agency: ['award_id+agency', 0.9],
  none: ['award_id', 0.8],
} as const
const MAX_ALTERNATIVES = 10

function same(ours: string | null, theirs: string | null): boolean | null {
  return ours === null || theirs === null || ours === '' || theirs === '' ? null : ours === theirs
}

function likeness(target: Target, row: JsonObject): Likeness {
  const { entity } = target
  const ourAgency = attributeText(entity, 'agency')
  const theirAgency = textAt(row, 'Awarding Agency')
  const theirCode = paddedCode(textAt(row, 'Awarding Agency Code')) ?? agencyCode(theirAgency ?? '')
  const byCode = same(agencyCode(ourAgency ?? ''), theirCode)
  return {
    uei: same(attributeText(entity, 'uei')?.toUpperCase() ?? null, textAt(row, 'Recipient UEI')?.toUpperCase() ?? null),
    name: same(companyNameKey(attributeText(entity, 'company_name') ?? ''), companyNameKey(textAt(row, 'Recipient Name') ?? '')),
    agency: byCode ?? same(companyNameKey(ourAgency ?? ''), companyNameKey(theirAgency ?? '')),
  }
}

function levelOf(alike: Likeness): keyof typeof LEVELS | null {
  if (alike.uei) return 'uei'
  if (alike.name) return 'name'
  if (alike.agency) return 'agency'
  // Numbers repeat between agencies: the same number at another agency for another recipient is another award.
  return alike.agency === false ? null : 'none'
}

/** A candidate as it is shown to an operator who has to decide. */
function shown(row: JsonObject): JsonObject {
  return {
    provider_key: generatedIdOf(row),
    recipient_name: textAt(row, 'Recipient Name'),
    recipient_uei: textAt(row, 'Recipient UEI'),
    awarding_agency: textAt(row, 'Awarding Agency'),
    total_obligation: canonicalDecimal(row['Award Amount']),
    start_date: textAt(row, 'Start Date'),
  }
}

function skipped(target: Target, reason: string, rows: readonly JsonObject[]): Answer {
  return { kind: 'skipped', entity: refOf(target.entity), reason, alternatives: rows.slice(0, MAX_ALTERNATIVES).map(shown) }
}

function recorded(target: Target, row: JsonObject, level: keyof typeof LEVELS, others: readonly JsonObject[]): Answer {
  const [method, confidence] = LEVELS[level]
  const evidence = {
    award_id: textAt(row, 'Award ID'),
    recipient_name: textAt(row, 'Recipient Name'),
    recipient_uei: textAt(row, 'Recipient UEI'),
    awarding_agency: textAt(row, 'Awarding Agency'),
  }
  const identity: FoundIdentity = {
    providerKey: generatedIdOf(row),
    method,
    confidence,
    evidence,
    alternatives: others.slice(0, MAX_ALTERNATIVES).map(shown),
  }
  return { kind: 'record', entity: refOf(target.entity), record: recordOfRow(row), identity }
}

function uniqueById(rows: readonly JsonObject[]): JsonObject[] {
  return [...new Map(rows.map((row) => [generatedIdOf(row), row])).values()]
}

/**
 * What rows with the award's number say about it: its record, `skipped` when it cannot be told which row it is, or null when
 * none of them is it. `last`: no other group will be asked, so that rows which contradict ours are shown instead of dropped.
 */
export function decide(target: Target, candidates: readonly JsonObject[], last: boolean): Answer | null {
  const rows = uniqueById(candidates)
  if (rows.length === 0) return null
  if (target.providerKey !== null) {
    const known = rows.find((row) => generatedIdOf(row) === target.providerKey)
    // The identity stands as it was decided; the answer brings only the record.
    if (known !== undefined) return { kind: 'record', entity: refOf(target.entity), record: recordOfRow(known) }
    return last ? skipped(target, `${target.providerKey} is not listed any more, other awards with its number are`, rows) : null
  }
  const ranked = rows.map((row) => ({ row, alike: likeness(target, row) }))
  for (const level of ['uei', 'name', 'agency', 'none'] as const) {
    let best = ranked.filter(({ alike }) => levelOf(alike) === level)
    if (best.length === 0) continue
    for (const tie of ['name', 'agency'] as const) {
      const better = best.filter(({ alike }) => alike[tie])
      if (best.length > 1 && better.length > 0) best = better
    }
    const [first] = best
    if (first === undefined || best.length > 1) {
      return skipped(
        target,
        `${best.length} awards carry this number and cannot be told apart`,
        best.map(({ row }) => row),
      )
    }
    return recorded(
      target,
      first.row,
      level,
      rows.filter((row) => row !== first.row),
    )
  }
  return last ? skipped(target, 'the awards with this number belong to other agencies and recipients', rows) : null
}

/** Rows by the targets they may be about. A number that several of our awards share leads to all of them. */
export function rowsByTarget(
  targets: readonly Target[],
  rows: readonly JsonObject[],
): ReadonlyMap<Target, readonly JsonObject[]> {
  const byKey = new Map<string, Target[]>()
  for (const target of targets) {
    for (const key of targetKeys(target)) {
      const list = byKey.get(key)
      if (list === undefined) byKey.set(key, [target])
      else list.push(target)
    }
  }
  const result = new Map<Target, JsonObject[]>(targets.map((target) => [target, []]))
  for (const row of rows) {
    const found = new Set([
      ...(byKey.get(stripId(textAt(row, 'Award ID') ?? '')) ?? []),
      ...(byKey.get(generatedIdOf(row)) ?? []),
    ])
    for (const target of found) result.get(target)!.push(row)
  }
  return result
}

function targetKeys(target: Target): readonly string[] {
  const contract = attributeText(target.entity, 'contract')
  const keys = contract === null ? [] : [...matchKeys(contract)]
  return target.providerKey === null ? keys : [...keys, target.providerKey]
}
