/** People Data Labs v5: companies and persons, by the hundred, for credits. `docs/adapters/people_data_labs.md`. */
import { z } from 'zod'
import type { Entity } from '../model/entity.ts'
import type { SourceAdapter } from './adapter.ts'
import { classifyPdl } from './people-data-labs/classify.ts'
import { batch, lookup } from './people-data-labs/enrich.ts'
import { companyProblem, queryOf } from './shared/commercial.ts'
import { attributeText } from './shared/entity.ts'
import { personNameParts } from './shared/names.ts'

/** What PDL wants at least: a website, or a name with a place; a person's both names with a company. */
function problemOf(entity: Entity): string | null {
  if (entity.kind === 'person') {
    const { given, family } = personNameParts(attributeText(entity, 'name') ?? '')
    if (given === '' || family === '') return 'no first and last name'
    return attributeText(entity, 'company_name') === null ? 'no company to tell namesakes apart by' : null
  }
  const { domain, city, state } = queryOf({ entity, providerKey: null })
  const problem = companyProblem(entity, ['domain', 'name'])
  return problem ?? (domain === null && city === null && state === null ? 'no domain, and a name without a place' : null)
}

export const peopleDataLabs: SourceAdapter = {
  id: 'people_data_labs',
  title: 'People Data Labs v5',
  docs: 'https://docs.peopledatalabs.com/docs/reference-company-enrichment-api',
  entityKinds: ['company', 'person'],
  normalizerVersion: 2,
  credentials: [{ name: 'api_key', placement: { in: 'header', name: 'X-Api-Key' }, required: true }],
  options: z.strictObject({
    min_likelihood: z
      .number()
      .int()
      .min(1)
      .max(10)
      .default(6)
      .describe('Matches of which PDL is less sure (1 to 10) are not returned, and cost nothing'),
  }),

  cohort: { numbered: true, name: () => 'domain_batch', date: () => null },
  readProviderKey: (text) => text.trim(),
  // It is opaque: letters, digits, `_` and `-`, up to 64 of them.
  providerKeyProblem: (key) => (/^[A-Za-z0-9_-]{4,64}$/.test(key) ? null : 'a key of People Data Labs is a pdl_id'),
  identifies: { minConfidence: 0.75 },
  unresolvable: problemOf,

  lookup,
  batch,
  // Only matches are billed, but nobody knows before which will match: each is counted before the call as if it did.
  creditsPerEntity: () => 1,
  // Without anything to match by it is refused, which costs nothing and shows that the key is known.
  probe: () => ({ method: 'GET', path: '/company/enrich', credits: 0, label: 'company.probe' }),
  probeAnswer: 'invalid_request',
  classify: classifyPdl,

  // Between two published versions of one company exactly these counts and the coordinates differ.
  volatile: ['$.likelihood', '$.employee_count', '$.linkedin_follower_count'],
  arrayKeys: {},
  unordered: [
    '$.locations',
    '$.alternative_names',
    '$.tags',
    '$.naics_codes',
    '$.sic_codes',
    '$.education',
    '$.education[*].degrees',
    '$.education[*].majors',
    '$.experience',
    '$.job_title_levels',
  ],
}
