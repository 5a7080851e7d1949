/** NIH RePORTER v2: grants of the National Institutes of Health. `docs/adapters/nih.md`. */
import { z } from 'zod'
import type { Entity } from '../model/entity.ts'
import { DAY_MS, parseUtcDate } from '../model/time.ts'
import type { SourceAdapter } from './adapter.ts'
import { classifyNih } from './nih/classify.ts'
import { coreNumber, coreProblem } from './nih/project-number.ts'
import { batch, feed, lookup, searchRequest } from './nih/projects.ts'
import { attributeText, awardDate, awardYearCohort } from './shared/entity.ts'

/** ISO 8601: the week belongs to the year that its Thursday is in. */
function isoWeek(at: number): string {
  const day = Math.floor(at / DAY_MS)
  // 1970-01-01 was a Thursday.
  const thursday = day - ((day + 3) % 7) + 3
  const year = new Date(thursday * DAY_MS).getUTCFullYear()
  const week = Math.floor((thursday - Date.UTC(year, 0, 1) / DAY_MS) / 7) + 1
  return `${year}-W${String(week).padStart(2, '0')}`
}

/** Half of the awards have no date, only a year: they are not put into its first week. */
function cohortName(entity: Entity): string {
  const at = parseUtcDate(attributeText(entity, 'proposal_award_date') ?? '')
  if (at !== null && at >= 0) return `project_week_${isoWeek(at)}`
  return awardYearCohort(entity).replace('award_year', 'project_year')
}

export const nih: SourceAdapter = {
  id: 'nih',
  title: 'NIH RePORTER',
  docs: 'https://api.reporter.nih.gov/',
  entityKinds: ['award'],
  normalizerVersion: 1,
  credentials: [],
  options: z.strictObject({}),

  cohort: { numbered: false, name: cohortName, date: awardDate },
  readProviderKey: (text) => coreNumber(text) ?? text,
  providerKeyProblem: (key) =>
    coreNumber(key) === key ? null : 'a key of NIH is a project number without type, year and suffix: R43AI123456',
  unresolvable: coreProblem,

  lookup,
  batch,
  feed,
  probe: () => searchRequest('projects.probe', { project_nums: ['R01AI170850'] }, 0, ['ApplId'], 1),
  classify: classifyNih,

  volatile: [],
  arrayKeys: { '$.years': ['appl_id'] },
  unordered: ['$.principal_investigators'],
}
