/** USAspending API v2: contracts and assistance awards of the US government. `docs/adapters/usaspending.md`. */
import { z } from 'zod'
import type { SourceAdapter } from './adapter.ts'
import { attributeText, awardDate, awardYearCohort } from './shared/entity.ts'
import { awardNumberProblem } from './usaspending/award-ids.ts'
import { batch } from './usaspending/batch.ts'
import { classifyUsaspending } from './usaspending/classify.ts'
import { feed, LAST_UPDATED_PATH } from './usaspending/feed.ts'
import { lookup } from './usaspending/lookup.ts'

export const usaspending: SourceAdapter = {
  id: 'usaspending',
  title: 'USAspending API v2',
  docs: 'https://api.usaspending.gov/docs/endpoints',
  entityKinds: ['award'],
  normalizerVersion: 1,
  credentials: [],
  options: z.strictObject({
    new_assistance_codes: z
      .boolean()
      .default(true)
      .describe('Search grants by the award type codes F001 and F002 of the new assistance format, too'),
    feed_rows_per_day: z
      .number()
      .int()
      .positive()
      .default(50_000)
      .describe('Awards modified a day, for planning before the feed was walked'),
  }),

  cohort: { numbered: false, name: awardYearCohort, date: awardDate },
  providerKeyProblem: (key) =>
    /^(?:CONT_AWD|CONT_IDV|ASST_NON|ASST_AGG)_[A-Za-z0-9 ._()+&*,:;@'~-]{1,200}$/.test(key)
      ? null
      : 'a key of USAspending is a generated id: CONT_AWD_…, CONT_IDV_…, ASST_NON_… or ASST_AGG_…',
  identifies: { minConfidence: 0 },
  unresolvable: (entity) => awardNumberProblem(attributeText(entity, 'contract')),

  lookup,
  batch,
  feed,
  probe: () => ({ method: 'GET', path: LAST_UPDATED_PATH, label: 'awards.last_updated' }),
  classify: classifyUsaspending,

  // Internal ids, messages, page facts and outlays never get into the record (`usaspending/record.ts`).
  volatile: [],
  arrayKeys: {},
  unordered: ['$.assistance_listings'],
}
