/** ORCID public API v3.0: what researchers say of themselves, found by name and company. `docs/adapters/orcid.md`. */
import { z } from 'zod'
import type { SourceAdapter } from './adapter.ts'
import { classifyOrcid } from './orcid/classify.ts'
import { feed } from './orcid/feed.ts'
import { readOrcid } from './orcid/ids.ts'
import { DEFAULT_MAX_WORKS, lookup } from './orcid/lookup.ts'
import { orcidSearchRequest, resolve } from './orcid/search.ts'
import { attributeText } from './shared/entity.ts'

/** The fictional researcher of ORCID's own documentation. */
const PROBE_ID = '0000-0002-1825-0097'

export const orcid: SourceAdapter = {
  id: 'orcid',
  title: 'ORCID public API v3.0',
  docs: 'https://info.orcid.org/documentation/api-tutorials/api-tutorial-read-data-on-a-record/',
  entityKinds: ['person'],
  normalizerVersion: 1,
  recordOptions: ['max_works'],
  // Without it the daily quota is that of the address, with it that of the client. A token lasts about twenty years.
  credentials: [{ name: 'access_token', placement: { in: 'header', name: 'Authorization', prefix: 'Bearer ' }, required: false }],
  options: z.strictObject({
    max_works: z
      .number()
      .int()
      .min(0)
      .max(10_000)
      .default(DEFAULT_MAX_WORKS)
      .describe('Works listed in a record, newest first; all are counted'),
  }),

  cohort: { numbered: true, name: () => 'orcid_batch', date: () => null },
  providerKeyProblem: (key) => (readOrcid(key) === key ? null : 'a key of ORCID is an iD with its checksum: 0000-0002-1825-0097'),
  unresolvable: (entity) => (attributeText(entity, 'name') === null ? 'no name' : null),
  identityRequired: true,
  resolve,

  lookup,
  feed,
  // Found or not, the answer shows that it works.
  probe: () => orcidSearchRequest('people.probe', 'search', `orcid:"${PROBE_ID}"`, 0, 1),
  classify: classifyOrcid,

  // Moves with every touch of the record, also of parts that are not kept.
  volatile: ['$.last_modified'],
  arrayKeys: {
    '$.external_ids': ['type', 'value'],
    '$.employments': ['put_code'],
    '$.educations': ['put_code'],
    '$.fundings': ['put_code'],
    '$.works': ['put_code'],
  },
  unordered: ['$.other_names', '$.keywords', '$.countries', '$.web_pages'],
}
