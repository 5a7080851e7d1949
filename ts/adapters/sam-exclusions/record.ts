/** Rows of the exclusions API -> what a company's record says. */
import { hash } from 'node:crypto'
import type { JsonObject } from '../../model/json.ts'
import { toUtcDate } from '../../model/time.ts'
import { parseDashedUsDate } from '../shared/dates.ts'
import { listOf, memberAt, requireObjects, textAt } from '../shared/json.ts'

export function ueiOfRow(row: JsonObject): string {
  return (textAt(row, 'exclusionIdentification', 'ueiSAM') ?? '').toUpperCase()
}

/** `MM-DD-YYYY`, as this API alone writes it, -> `YYYY-MM-DD`; null when it is no date. */
function day(row: JsonObject, name: string): string | null {
  const at = parseDashedUsDate(memberAt(row, name))
  return at === null ? null : toUtcDate(at)
}

function actionOf(action: JsonObject): JsonObject {
  return {
    created: day(action, 'createDate'),
    updated: day(action, 'updateDate'),
    activated: day(action, 'activateDate'),
    terminates: day(action, 'terminationDate'),
    termination_type: textAt(action, 'terminationType'),
    status: textAt(action, 'recordStatus'),
  }
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/**
 * There is no id, so the sheet's composite key stands for it: classification, type, agency, UEI, CT code, first activation. Hashed,
 * because it names elements in paths of changes.
 */
function exclusionKey(exclusion: JsonObject, uei: string, activated: string | null): string {
  const parts = [exclusion['classification'], exclusion['type'], exclusion['agency_code'], uei, exclusion['ct_code'], activated]
  return hash('sha256', JSON.stringify(parts), 'hex').slice(0, 16)
}

/** Throws `MalformedAnswer` when the actions are no objects. */
function exclusionOf(row: JsonObject): JsonObject {
  const actions = requireObjects(listOf(memberAt(row, 'exclusionActions', 'listOfActions')), 'listOfActions')
    .map(actionOf)
    .sort((a, b) => byText(JSON.stringify(a), JSON.stringify(b)))
  const activated = actions.map((action) => action['activated'] as string | null).sort((a, b) => byText(a ?? '', b ?? ''))[0]
  const exclusion = {
    classification: textAt(row, 'exclusionDetails', 'classificationType'),
    type: textAt(row, 'exclusionDetails', 'exclusionType'),
    program: textAt(row, 'exclusionDetails', 'exclusionProgram'),
    agency_code: textAt(row, 'exclusionDetails', 'excludingAgencyCode'),
    agency_name: textAt(row, 'exclusionDetails', 'excludingAgencyName'),
    entity_name: textAt(row, 'exclusionIdentification', 'entityName'),
    cage_code: textAt(row, 'exclusionIdentification', 'cageCode'),
    state: textAt(row, 'exclusionPrimaryAddress', 'stateOrProvinceCode'),
    country: textAt(row, 'exclusionPrimaryAddress', 'countryCode'),
    fascsa_order: textAt(row, 'exclusionOtherInformation', 'isFASCSAOrder'),
    ct_code: textAt(row, 'exclusionOtherInformation', 'ctCode'),
    comments: textAt(row, 'exclusionOtherInformation', 'additionalComments'),
    actions,
  }
  return { exclusion_key: exclusionKey(exclusion, ueiOfRow(row), activated ?? null), ...exclusion }
}

/** Sorted by key, and each once: a list that moves between two pages may show a row twice. */
export function recordOfRows(uei: string, rows: readonly JsonObject[]): JsonObject {
  const exclusions = new Map<string, JsonObject>()
  for (const row of rows) {
    const exclusion = exclusionOf(row)
    exclusions.set(exclusion['exclusion_key'] as string, exclusion)
  }
  const sorted = [...exclusions].sort(([a], [b]) => byText(a, b)).map(([, exclusion]) => exclusion)
  return { uei, exclusions: sorted }
}
