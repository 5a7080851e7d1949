/** `GET entities`: what is asked, who is asked about, and how rows become answers. Shared by look-up, batch and feed. */

import type { JsonObject, JsonValue } from '../../model/json.ts'
import { isJsonObject } from '../../model/json.ts'
import type { RequestSpec, ResponseView } from '../../model/response.ts'
import type { FeedAnswer, Target } from '../adapter.ts'
import { attributeText, refOf } from '../shared/entity.ts'
import { countOf, listOf, requireObject, requireObjects, textAt } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { providerKeyOf, recordOfRows, ueiOfRow } from './registration.ts'

/** The provider's own limit; it is also the default. */
export const PAGE_ROWS = 10
/** Sections are named one by one: `All` leaves some out and brings points of contact. */
const SECTIONS = 'entityRegistration,coreData'
const UEI = /^[A-Z0-9]{12}$/

export type Version = 'v3' | 'v4'

export function versionOf(options: JsonObject): Version {
  return options['api_version'] === 'v3' ? 'v3' : 'v4'
}

export function entitiesRequest(
  label: string,
  options: JsonObject,
  filters: readonly (readonly [string, string])[],
  page: number,
): RequestSpec {
  return {
    method: 'GET',
    path: `/entity-information/${versionOf(options)}/entities`,
    query: [...filters, ['includeSections', SECTIONS], ['page', String(page)], ['size', String(PAGE_ROWS)]],
    label,
  }
}

export function ueiProblem(uei: string | null): string | null {
  if (uei === null) return 'no UEI'
  return UEI.test(uei.toUpperCase()) ? null : `UEI "${uei}" is not 12 letters and digits`
}

/** What is wrong with a UEI as a key. As it stands: folded to upper case, letters that only look like ours would pass. */
export function ueiKeyProblem(key: string): string | null {
  return /^[A-Za-z0-9]{12}$/.test(key) ? null : 'a key is a UEI: 12 letters and digits'
}

/** The UEI to ask by: the one an operator or an earlier answer tied the company to, else its own. */
export function ueiOf(target: Target): string {
  const known = target.providerKey?.split('+')[0] ?? attributeText(target.entity, 'uei') ?? ''
  return known.toUpperCase()
}

/** Rows and their announced number. Throws `MalformedAnswer`. */
export function entitiesPage(view: ResponseView): { readonly rows: readonly JsonObject[]; readonly total: number } {
  const body = requireObject(view, 'the entities answer')
  const total = countOf(body['totalRecords'])
  if (total === null) throw new MalformedAnswer('the entities answer has no totalRecords')
  return { rows: requireObjects(listOf(body['entityData']), 'entityData'), total }
}

/** What the rows of its UEI say about a company; absent when there are none. */
export function answerOf(target: Target, rows: readonly JsonObject[]): FeedAnswer {
  const uei = ueiOf(target)
  const entity = refOf(target.entity)
  if (rows.length === 0)
    return {
      kind: 'absent',
      entity,
      reason: `SAM.gov shows no registration of UEI ${uei}: not registered, or not for public display`,
    }
  const record = recordOfRows(uei, rows)
  const providerKey = providerKeyOf(uei, rows)
  if (providerKey === target.providerKey) return { kind: 'record', entity, record }
  const evidence = { legal_business_name: textAt(rows[0], 'entityRegistration', 'legalBusinessName') }
  return { kind: 'record', entity, record, identity: { providerKey, method: 'uei', confidence: 1, evidence } }
}

export function rowsByUei(rows: readonly JsonObject[]): ReadonlyMap<string, readonly JsonObject[]> {
  const map = new Map<string, JsonObject[]>()
  for (const row of rows) {
    const uei = ueiOfRow(row)
    const list = map.get(uei)
    if (list === undefined) map.set(uei, [row])
    else list.push(row)
  }
  return map
}

/** A member of one of our cursors that holds rows; null when it is something else. */
export function rowList(value: JsonValue | undefined): readonly JsonObject[] | null {
  if (!Array.isArray(value)) return null
  const list = value as readonly JsonValue[]
  return list.every(isJsonObject) ? (list as readonly JsonObject[]) : null
}
