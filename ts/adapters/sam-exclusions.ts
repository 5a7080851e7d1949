/** SAM.gov exclusions v4: who may not receive federal awards. `docs/adapters/sam_exclusions.md`. */
import { z } from 'zod'
import type { SourceAdapter } from './adapter.ts'
import { batch, exclusionsRequest, lookup } from './sam-exclusions/by-uei.ts'
import { feed } from './sam-exclusions/feed.ts'
import { classifySam } from './sam-gov/classify.ts'
import { ueiKeyProblem, ueiProblem } from './sam-gov/entities.ts'
import { attributeText } from './shared/entity.ts'

export const samExclusions: SourceAdapter = {
  id: 'sam_exclusions',
  title: 'SAM.gov Exclusions API',
  docs: 'https://open.gsa.gov/api/exclusions-api/',
  entityKinds: ['company'],
  normalizerVersion: 1,
  credentials: [{ name: 'api_key', placement: { in: 'header', name: 'X-Api-Key' }, required: true }],
  options: z.strictObject({}),

  cohort: { numbered: true, name: () => 'uei_batch', date: () => null },
  readProviderKey: (text) => text.trim().toUpperCase(),
  providerKeyProblem: ueiKeyProblem,
  identifies: { minConfidence: 0 },
  unresolvable: (entity) => ueiProblem(attributeText(entity, 'uei')),

  lookup,
  batch,
  feed,
  probe: () => exclusionsRequest('exclusions.probe', [['ueiSAM', 'ZQGGHJH74DW7']], 0),
  classify: classifySam,

  volatile: [],
  arrayKeys: { '$.exclusions': ['exclusion_key'] },
  unordered: ['$.exclusions[*].actions'],

  // Whatever happens to an exclusion, the registration's own flag and status are the next thing to look at.
  followUps: [
    { on: ['created', 'changed', 'absent', 'returned'], paths: [], source: 'sam_gov', reason: 'an exclusion of it changed' },
  ],
}
