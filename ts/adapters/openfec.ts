/** OpenFEC: political contributions of those who name a company as their employer, as sums. `docs/adapters/openfec.md`. */
import { z } from 'zod'
import type { SourceAdapter } from './adapter.ts'
import { batch, DEFAULT_MAX_PAGES, DEFAULT_SINCE, employerKeyProblem, employerProblem, MAX_PAGES } from './openfec/by-employer.ts'
import { classifyOpenfec } from './openfec/classify.ts'
import { companyNameKey } from './shared/names.ts'

export const openfec: SourceAdapter = {
  id: 'openfec',
  title: 'OpenFEC',
  docs: 'https://api.open.fec.gov/developers/',
  entityKinds: ['company'],
  normalizerVersion: 3,
  recordOptions: ['since'],
  // In the header: as a query parameter the key would end in every log on the way.
  credentials: [{ name: 'api_key', placement: { in: 'header', name: 'X-Api-Key' }, required: true }],
  options: z.strictObject({
    since: z
      .number()
      .int()
      .min(1980)
      .max(2098)
      .multipleOf(2, { error: 'is no two-year period; they are named after their even year' })
      .default(DEFAULT_SINCE)
      .describe('The first two-year period that is summed up, and all after it; of more than ten the last ten'),
    max_pages: z
      .number()
      .int()
      .min(1)
      .max(MAX_PAGES)
      .default(DEFAULT_MAX_PAGES)
      .describe(
        'Pages of 100 contributions, of which no more than 99 are walked for one company; one with more is skipped, because its name is too common',
      ),
  }),

  cohort: { numbered: true, name: () => 'employer_batch', date: () => null },
  readProviderKey: (text) => companyNameKey(text),
  providerKeyProblem: employerKeyProblem,
  unresolvable: employerProblem,
  // At least about half of those who name it as employer live in its state.
  identifies: { minConfidence: 0.7 },

  batch,
  // A committee that has been there for long; costs the database next to nothing.
  probe: () => ({ method: 'GET', path: '/v1/committee/C00401224/', query: [['per_page', '1']], label: 'committee.probe' }),
  classify: (view) => classifyOpenfec(view),

  // What the committee is called today, beside contributions of any year.
  volatile: ['$.committees[*].name', '$.committees[*].party'],
  arrayKeys: { '$.by_period': ['period'], '$.committees': ['committee_id'] },
  unordered: ['$.employers'],
}
