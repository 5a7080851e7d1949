/** SAM.gov entity management v3/v4: who is registered to do business with the US government. `docs/adapters/sam_gov.md`. */
import { z } from 'zod'
import type { SourceAdapter } from './adapter.ts'
import { batch, lookup } from './sam-gov/by-uei.ts'
import { classifySam } from './sam-gov/classify.ts'
import { entitiesRequest, ueiKeyProblem, ueiProblem } from './sam-gov/entities.ts'
import { feed } from './sam-gov/feed.ts'
import { attributeText } from './shared/entity.ts'

/** The UEI of the documentation's examples: found or not, the answer shows that the key works. */
const PROBE_FILTERS = [['ueiSAM', 'ZQGGHJH74DW7']] as const

export const samGov: SourceAdapter = {
  id: 'sam_gov',
  title: 'SAM.gov Entity Management API',
  docs: 'https://open.gsa.gov/api/entity-api/',
  entityKinds: ['company'],
  normalizerVersion: 1,
  recordOptions: ['api_version'],
  // In the header: as a query parameter the key would end in every log on the way.
  credentials: [{ name: 'api_key', placement: { in: 'header', name: 'X-Api-Key' }, required: true }],
  options: z.strictObject({
    api_version: z
      .enum(['v3', 'v4'])
      .default('v4')
      .describe('Version of the entities endpoint; both give the sections that are read'),
    feed_rows_per_day: z
      .number()
      .int()
      .positive()
      .default(5_000)
      .describe('Entities updated a day, for planning before the feed was walked'),
  }),

  // A company has no date of its own; an operator's window is served by the feed.
  cohort: { numbered: true, name: () => 'uei_batch', date: () => null },
  // The UEI, and the indicators of its further registrations.
  providerKeyProblem: (key) => {
    const [uei, ...indicators] = key.split('+')
    if (ueiKeyProblem(uei ?? '') !== null) return 'a key of SAM.gov is a UEI: 12 letters and digits'
    return indicators.length <= 100 && indicators.every((indicator) => /^[A-Za-z0-9]{1,10}$/.test(indicator))
      ? null
      : 'after the UEI come EFT indicators, each with a +'
  },
  identifies: { minConfidence: 0 },
  unresolvable: (entity) => ueiProblem(attributeText(entity, 'uei')),

  lookup,
  batch,
  feed,
  probe: ({ options }) => entitiesRequest('entities.probe', options, PROBE_FILTERS, 0),
  classify: classifySam,

  // Links, exclusion URLs and timestamps never get into the record (`sam-gov/registration.ts`).
  volatile: [],
  arrayKeys: {
    '$.registrations': ['entityEFTIndicator'],
    '$.registrations[*].businessTypes': ['businessTypeCode'],
    '$.registrations[*].sbaBusinessTypes': ['sbaBusinessTypeCode'],
  },
  unordered: [],
}
