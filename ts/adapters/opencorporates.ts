/** OpenCorporates v0.4: companies as the registers of the states have them, officers, owners. `docs/adapters/opencorporates.md`. */
import { z } from 'zod'
import type { SourceAdapter } from './adapter.ts'
import { classifyOpencorporates, LABELS } from './opencorporates/classify.ts'
import { companyKeyProblem, companyKeyText, readCompanyKey } from './opencorporates/ids.ts'
import { DEFAULT_MAX_PAGES, lookup } from './opencorporates/lookup.ts'
import { resolve } from './opencorporates/search.ts'
import { attributeText } from './shared/entity.ts'
import { usStateCode } from './shared/us-states.ts'

export const opencorporates: SourceAdapter = {
  id: 'opencorporates',
  title: 'OpenCorporates API v0.4',
  docs: 'https://api.opencorporates.com/documentation/API-Reference',
  entityKinds: ['company'],
  normalizerVersion: 2,
  recordOptions: ['officers', 'statements', 'max_pages'],
  // A plan that has a list today and not tomorrow (403) says nothing about the company.
  origin: ({ officers, owners }) => {
    const lacks = [
      ...(officers == null ? ['officers', 'officers_complete'] : []),
      ...(owners == null ? ['owners', 'owners_complete'] : []),
    ]
    return { by: lacks.length === 0 ? 'all' : `all but ${lacks.join(', ')}`, standsIn: false, lacks }
  },
  // The documentation shows it in the query; the header is accepted as well, and stays out of logs on the way.
  credentials: [{ name: 'api_token', placement: { in: 'header', name: 'X-API-TOKEN' }, required: true }],
  options: z.strictObject({
    officers: z.boolean().default(true).describe('Also the officers: a call for each hundred'),
    statements: z.boolean().default(true).describe('Also who controls it, where the plan has that: a call for each hundred'),
    max_pages: z
      .number()
      .int()
      .min(1)
      .max(8)
      .default(DEFAULT_MAX_PAGES)
      .describe('Pages of a hundred officers, and of statements, that are read of one company'),
  }),

  cohort: {
    numbered: true,
    name: (entity) => `jurisdiction_${usStateCode(attributeText(entity, 'state') ?? '') ?? 'unknown'}`,
    date: () => null,
  },
  readProviderKey: (text) => {
    const key = readCompanyKey(text)
    return key === null ? text : companyKeyText(key)
  },
  providerKeyProblem: companyKeyProblem,
  unresolvable: () => null,
  identityRequired: true,
  resolve,

  lookup,
  // Says what is left of the quotas, too.
  probe: () => ({ method: 'GET', path: '/v0.4/account_status', label: LABELS.account }),
  classify: classifyOpencorporates,

  volatile: [],
  arrayKeys: { '$.officers': ['id'], '$.owners': ['kind', 'name', 'notified_on'] },
  unordered: ['$.previous_names', '$.industry_codes', '$.owners[*].mechanisms'],
}
