/** SEC EDGAR: what companies file, who they are there, and the figures of those who report them. `docs/adapters/edgar.md`. */
import { z } from 'zod'
import type { SourceAdapter } from './adapter.ts'
import { paddedCik } from './edgar/cik.ts'
import { classifyEdgar } from './edgar/classify.ts'
import { feed } from './edgar/daily-index.ts'
import { resolve } from './edgar/filers.ts'
import { lookup, submissionsRequest } from './edgar/submissions.ts'

/** A filer that will be there as long as the register is. */
const PROBE_CIK = '0000320193'

export const edgar: SourceAdapter = {
  id: 'edgar',
  title: 'SEC EDGAR',
  docs: 'https://www.sec.gov/search-filings/edgar-application-programming-interfaces',
  entityKinds: ['company'],
  normalizerVersion: 1,
  recordOptions: ['company_facts', 'history_pages'],
  // No key. What the SEC wants is a User-Agent with a contact: `user_agent` in the config.
  credentials: [],
  options: z.strictObject({
    company_facts: z
      .boolean()
      .default(true)
      .describe('Also the newest annual figures of filers that report in XBRL: one more call for them, of a few megabytes'),
    history_pages: z
      .number()
      .int()
      .min(0)
      .max(15)
      .default(2)
      .describe('Pages of about 2,000 older filings that are read beside the newest 1,000'),
    search_former_names: z
      .boolean()
      .default(true)
      .describe('Where no filer is suggested for a name, also search the names under which filings were made: twice the calls'),
  }),

  cohort: { numbered: true, name: () => 'cik_batch', date: () => null },
  // It is a part of the path.
  readProviderKey: (text) => paddedCik(text.trim().replace(/^CIK\s*/i, '')) ?? text,
  providerKeyProblem: (key) => (paddedCik(key) === key ? null : 'a key of EDGAR is a CIK with its zeros, ten digits: 0000320193'),
  unresolvable: () => null,
  identityRequired: true,
  resolve,

  lookup,
  feed,
  probe: () => submissionsRequest(PROBE_CIK),
  classify: classifyEdgar,

  volatile: [],
  arrayKeys: { '$.filings': ['accession_number'], '$.facts': ['fact'] },
  unordered: ['$.tickers', '$.exchanges', '$.former_names'],
}
