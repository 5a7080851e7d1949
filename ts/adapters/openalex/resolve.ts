/** PI -> author by the iD that `orcid` found: no request at all. */

import type { Resolution, ResolveCapability, Target } from '../adapter.ts'
import { likelyResearchers, type Researcher } from '../orcid/likeness.ts'
import { attributeText } from '../shared/entity.ts'
import { listOf, memberAt, textAt } from '../shared/json.ts'
import { relatedOrcid } from './lookup.ts'

/**
 * The iD is one key at both; what is unsure is whether it is our person's. That was accepted at `orcid`, by what the operator asks of an
 * identity or by a person, so that it is not called into question again here.
 */
const ACCEPTED = 0.85

function researcherOf(target: Target, orcid: string): Researcher {
  const record = target.related?.['orcid']
  const [given, family] = [textAt(record, 'name', 'given'), textAt(record, 'name', 'family')]
  const main = family === null ? given : given === null ? family : `${family}, ${given}`
  const others = listOf(memberAt(record, 'other_names')).map((name) => textAt(name))
  const employers = listOf(memberAt(record, 'employments')).map((item) => textAt(item, 'organization', 'name'))
  return {
    providerKey: orcid,
    names: [main, textAt(record, 'name', 'credit'), ...others].filter((name) => name !== null),
    institutions: employers.filter((name) => name !== null),
  }
}

function parse(target: Target): Resolution {
  const orcid = relatedOrcid(target)
  if (orcid === null) return { candidates: [], reason: 'no ORCID record of this person yet' }
  const name = attributeText(target.entity, 'name') ?? ''
  const [likely] = likelyResearchers(name, attributeText(target.entity, 'company_name'), [researcherOf(target, orcid)])
  const evidence = { ...likely?.evidence, orcid, accepted_at: 'orcid' }
  return {
    candidates: [{ providerKey: orcid, method: 'orcid', confidence: Math.max(ACCEPTED, likely?.confidence ?? 0), evidence }],
  }
}

export const resolve: ResolveCapability = {
  entityKinds: ['person'],
  version: 1,
  cohort: 'orcid_batch',
  callsPerEntity: 0,
  dependsOn: { orcid: ['$.orcid', '$.name', '$.other_names', '$.employments'] },
  unresolvable: (entity) => (attributeText(entity, 'name') === null ? 'no name' : null),
  request: () => null,
  parse: (_views, target) => parse(target),
}
