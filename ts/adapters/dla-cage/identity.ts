/** Which CAGE code is a company's: its SAM.gov registration says so. No request is needed. */
import type { JsonObject } from '../../model/json.ts'
import type { Candidate, ResolveCapability } from '../adapter.ts'
import { attributeText } from '../shared/entity.ts'
import { listOf, textAt } from '../shared/json.ts'
import { cageCode } from './cage-code.ts'

/**
 * The registration without an EFT indicator is the company itself; others are its further accounts, with codes of their own.
 * A registration that ran out still names the code, though it may have been given up since.
 */
function confidenceOf(isMain: boolean, isActive: boolean): number {
  if (!isMain) return 0.6
  return isActive ? 1 : 0.95
}

export function candidatesOf(samRecord: JsonObject): readonly Candidate[] {
  const byCode = new Map<string, Candidate>()
  for (const registration of listOf(samRecord['registrations'])) {
    const providerKey = cageCode(textAt(registration, 'cageCode'))
    if (providerKey === null) continue
    const eft = textAt(registration, 'entityEFTIndicator') ?? ''
    const status = textAt(registration, 'registrationStatus')
    const confidence = confidenceOf(eft === '', status === 'Active')
    if ((byCode.get(providerKey)?.confidence ?? -1) >= confidence) continue
    byCode.set(providerKey, {
      providerKey,
      method: eft === '' ? 'sam_gov_registration' : 'sam_gov_account',
      confidence,
      evidence: {
        uei: textAt(samRecord, 'uei'),
        entity_eft_indicator: eft,
        registration_status: status,
        legal_business_name: textAt(registration, 'legalBusinessName'),
      },
    })
  }
  return [...byCode.values()]
}

export const cageIdentity: ResolveCapability = {
  entityKinds: ['company'],
  version: 1,
  cohort: 'uei_batch',
  callsPerEntity: 0,
  unresolvable: (entity) =>
    attributeText(entity, 'uei') === null ? 'no UEI: its CAGE code would come from its SAM.gov registration' : null,
  dependsOn: {
    sam_gov: ['$.registrations[*].cageCode', '$.registrations[*].registrationStatus', '$.registrations[*].legalBusinessName'],
  },
  request: () => null,
  parse: (_views, target) => {
    const record = target.related?.['sam_gov']
    if (record === undefined) return { candidates: [], reason: 'no current SAM.gov record to take a CAGE code from' }
    const candidates = candidatesOf(record)
    return candidates.length === 0 ? { candidates, reason: 'its SAM.gov registration has no CAGE code' } : { candidates }
  },
}
