/** USPTO Open Data Portal: patent applications and patents. `docs/adapters/uspto_odp.md`. */
import { z } from 'zod'
import type { Entity } from '../model/entity.ts'
import { parseUtcDate } from '../model/time.ts'
import type { SourceAdapter } from './adapter.ts'
import { attributeText } from './shared/entity.ts'
import { applicants, readApplicantKey } from './uspto/applicants.ts'
import { batch, feed } from './uspto/applications.ts'
import { classifyUspto } from './uspto/classify.ts'
import { applicationNumber, searchRequest } from './uspto/search.ts'

/** The month of the grant; what was not granted when it came to light is grouped by the year it was filed in, for good. */
function cohortName(entity: Entity): string {
  const granted = /^(\d{4}-\d{2})-\d{2}$/.exec(attributeText(entity, 'grant_date') ?? '')?.[1]
  if (granted !== undefined) return `grant_month_${granted}`
  return `pending_filed_${/^(\d{4})-/.exec(attributeText(entity, 'filing_date') ?? '')?.[1] ?? 'unknown'}`
}

export const usptoOdp: SourceAdapter = {
  id: 'uspto_odp',
  title: 'USPTO Open Data Portal',
  docs: 'https://data.uspto.gov/apis/patent-file-wrapper/search',
  entityKinds: ['patent'],
  normalizerVersion: 1,
  credentials: [{ name: 'api_key', placement: { in: 'header', name: 'X-API-KEY' }, required: true }],
  options: z.strictObject({}),

  cohort: {
    numbered: false,
    name: cohortName,
    date: (entity) =>
      parseUtcDate(attributeText(entity, 'grant_date') ?? '') ?? parseUtcDate(attributeText(entity, 'filing_date') ?? ''),
  },
  // A patent's is its application; a company's the name under which it applies, as `<name>` or `<name>|<state>`.
  readProviderKey: (text) => applicationNumber(text) ?? text.trim(),
  providerKeyProblem: (key) =>
    applicationNumber(key) === key || readApplicantKey(key) !== null
      ? null
      : 'a key of the USPTO is an application number (17248024), of a company an applicant: ACME ROBOTICS|MA',
  unresolvable: (entity) =>
    applicationNumber(attributeText(entity, 'application_number')) === null ? 'no application number' : null,
  resolve: applicants,

  batch,
  feed,
  probe: () =>
    searchRequest({
      label: 'applications.probe',
      q: 'applicationNumberText:(14412875)',
      fields: ['applicationNumberText'],
      offset: 0,
      limit: 1,
    }),
  classify: classifyUspto,

  volatile: [],
  arrayKeys: { '$.assignments': ['reel_frame', 'conveyance'] },
  unordered: ['$.applicants', '$.cpc', '$.parents'],
}
