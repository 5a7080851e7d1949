/** What a source ought to say, from the sandbox's truth endpoint through the adapter's own normalization. */
import { recordOfRows } from '../../../ts/adapters/sam-gov/registration.ts'
import { samGov } from '../../../ts/adapters/sam-gov.ts'
import { recordOfDetail } from '../../../ts/adapters/usaspending/record.ts'
import { usaspending } from '../../../ts/adapters/usaspending.ts'
import type { JsonObject, JsonValue } from '../../../ts/model/json.ts'
import { payloadHash } from '../../../ts/refresh/canonical.ts'
import type { Home } from './home.ts'

/** The provider's own body about a key now; null when it does not have it. */
export async function truthOf<T = JsonObject>(home: Pick<Home, 'sandbox'>, source: string, key: string): Promise<T | null> {
  const response = await fetch(`${home.sandbox.url}/_admin/truth/${source}/${encodeURIComponent(key)}`)
  if (response.status === 404) return null
  if (!response.ok) throw new Error(`truth of ${source} ${key}: ${response.status} ${await response.text()}`)
  return (await response.json()) as T
}

export type Truth = { readonly record: JsonObject; readonly hash: string }

/** From the award's detail page, another surface than the search that refreshes read. */
export async function usaspendingTruth(home: Pick<Home, 'sandbox'>, generatedId: string): Promise<Truth | null> {
  const body = await truthOf(home, 'usaspending', generatedId)
  if (body === null) return null
  const record = recordOfDetail(body)
  return { record, hash: payloadHash(record, usaspending) }
}

export async function samTruth(home: Pick<Home, 'sandbox'>, uei: string): Promise<Truth | null> {
  const body = await truthOf<{ entityData: JsonObject[] }>(home, 'sam_gov', uei)
  if (body === null || body.entityData.length === 0) return null
  const record = recordOfRows(uei, body.entityData)
  return { record, hash: payloadHash(record, samGov) }
}

// ---------------------------------------------------------------- the sandbox's list of changes, as our field changes

export type WorldChange = {
  readonly key: string
  readonly kind: 'changed' | 'appeared'
  readonly fields: readonly { readonly field: string; readonly old: JsonValue; readonly new: JsonValue }[]
}

export async function changesAt(home: Pick<Home, 'sandbox'>, source: string, since: number): Promise<readonly WorldChange[]> {
  const response = await fetch(`${home.sandbox.url}/_admin/changes?source=${source}&since=${since}`)
  return ((await response.json()) as { changes: WorldChange[] }).changes
}

/** Provider's field -> our paths. A field that is not listed is one that the record leaves out. */
const PATHS: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  usaspending: {
    'Award Amount': ['$.total_obligation'],
    'End Date': ['$.end_date'],
    Description: ['$.description'],
    'Last Modified Date': ['$.last_modified_date'],
  },
  sam_gov: {
    legalBusinessName: ['legalBusinessName'],
    dbaName: ['dbaName'],
    cageCode: ['cageCode'],
    exclusionStatusFlag: ['exclusionStatusFlag'],
    registrationStatus: ['registrationStatus'],
    submissionDate: ['entityInformation.submissionDate'],
    activationDate: ['activationDate'],
    registrationExpirationDate: ['registrationExpirationDate'],
    lastUpdateDate: ['lastUpdateDate'],
    addressLine1: ['physicalAddress.addressLine1', 'mailingAddress.addressLine1'],
    zipCodePlus4: ['physicalAddress.zipCodePlus4', 'mailingAddress.zipCodePlus4'],
  },
  sbir_gov: {
    Address1: ['$.address1'],
    Address2: ['$.address2'],
    'Company Website': ['$.website'],
    'Number Employees': ['$.number_employees'],
    'HUBZone Owned': ['$.hubzone_owned'],
    'Woman Owned': ['$.woman_owned'],
    'Award Amount': ['$.award_amount'],
    'Contract End Date': ['$.contract_end_date'],
  },
}
const AS_TEXT = new Set(['Award Amount'])

/** Changes of fields that a record holds, as `path: old -> new`, sorted. Empty when the record does not show the change. */
export function shownChanges(source: string, change: WorldChange): readonly string[] {
  return change.fields
    .flatMap(({ field, old, new: now }) =>
      (PATHS[source]![field] ?? []).map((path) => {
        const show = (value: JsonValue): string =>
          JSON.stringify(AS_TEXT.has(field) && value !== null ? String(value) : value === '' ? null : value)
        return `${path}: ${show(old)} -> ${show(now)}`
      }),
    )
    .sort()
}
