/** OpenAlex: publications, institutions and topics of researchers whose ORCID iD is known. `docs/adapters/openalex.md`. */
import { z } from 'zod'
import type { SourceAdapter } from './adapter.ts'
import { classifyOpenalex } from './openalex/classify.ts'
import { readAuthorKey } from './openalex/ids.ts'
import { authorRequest, DEFAULT_RECENT_WORKS, DEFAULT_WORKS_SINCE, lookup } from './openalex/lookup.ts'
import { resolve } from './openalex/resolve.ts'
import { attributeText } from './shared/entity.ts'

/** An author who has been there from the beginning; the call is free. */
const PROBE = { kind: 'orcid', id: '0000-0001-6187-6610' } as const

export const openalex: SourceAdapter = {
  id: 'openalex',
  title: 'OpenAlex',
  docs: 'https://help.openalex.org/',
  entityKinds: ['person'],
  normalizerVersion: 2,
  recordOptions: ['recent_works', 'works_since'],
  // More works than are read: the list is left out, which says nothing of the author.
  origin: ({ works }) =>
    works == null
      ? { by: 'all but works', standsIn: false, lacks: ['works', 'works_complete', 'newest_works'] }
      : { by: 'all', standsIn: false, lacks: [] },
  // It may stand in the query, too, where logs would keep it. A wrong one is refused even where none is needed.
  credentials: [{ name: 'api_key', placement: { in: 'header', name: 'Authorization', prefix: 'Bearer ' }, required: false }],
  options: z.strictObject({
    recent_works: z
      .number()
      .int()
      .min(0)
      .max(100)
      .default(DEFAULT_RECENT_WORKS)
      .describe('At most so many works in a record, for one credit each look-up; 0: none, and look-ups are free'),
    works_since: z.iso
      .date({ error: 'is no day; write it as 2024-01-01' })
      .default(DEFAULT_WORKS_SINCE)
      .describe('Only works published since then are listed, so that none leaves a list because newer ones came'),
  }),

  cohort: { numbered: true, name: () => 'orcid_batch', date: () => null },
  providerKeyProblem: (key) =>
    readAuthorKey(key)?.id === key ? null : 'a key of OpenAlex is an ORCID iD (0000-0002-1825-0097) or an author (A5023888391)',
  unresolvable: (entity) => (attributeText(entity, 'name') === null ? 'no name' : null),
  identityRequired: true,
  resolve,
  // Two calls a look-up: the author is free, the newest works cost one.
  creditsPerCall: ({ recent_works: works }) => (works === 0 ? 0 : 0.5),
  reads: ['orcid'],

  lookup,
  probe: () => authorRequest(PROBE),
  classify: classifyOpenalex,

  // Every citation moves the counts, for nearly everybody, nearly every day; and of the newest of many works one makes room for another.
  volatile: ['$.counts', '$.newest_works'],
  arrayKeys: {
    '$.last_institutions': ['id'],
    '$.affiliations': ['id'],
    '$.topics': ['id'],
    '$.works': ['id'],
  },
  unordered: ['$.other_names', '$.affiliations[*].years'],
}
