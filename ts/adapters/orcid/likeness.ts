/** How likely it is that a researcher of a register is our principal investigator. Shared by the sources that know researchers. */
import type { JsonObject } from '../../model/json.ts'
import { companyNameSimilarity, personNameParts, personNameSimilarity } from '../shared/names.ts'
import { clipText } from '../shared/text.ts'

export type Researcher = {
  readonly providerKey: string
  /** As the register spells them; the first is the one to show. */
  readonly names: readonly string[]
  readonly institutions: readonly string[]
}

export type Likeness = {
  readonly providerKey: string
  readonly method: 'name+affiliation' | 'name_only'
  readonly confidence: number
  readonly evidence: JsonObject
}

/** Below it, two names are taken for those of two people. */
const SAME_NAME = 0.65
/** From it on, two names are taken for those of one company. */
const SAME_COMPANY = 0.85
const MAX_NAMES = 30
const MAX_INSTITUTIONS = 100
/** Two people of one name at one small company are rare, and mistaken spellings are not: never quite 1. */
const BEST = 0.94
/** Nothing but a name, and nobody else has it. Far from enough by itself. */
const NAME_ALONE = 0.45
const NAME_WITH_MIDDLE = 0.55
/** It names employers, and ours is not among them. */
const OTHER_EMPLOYERS = 0.8

function best(ours: string, theirs: readonly string[], similarity: (a: string, b: string) => number): [number, string | null] {
  let found: [number, string | null] = [0, null]
  for (const text of theirs) {
    const value = similarity(ours, text)
    if (value > found[0]) found = [value, text]
  }
  return found
}

const round = (value: number): number => Math.round(value * 1000) / 1000

/** Given, middle and family name all written out and the same. */
function agreesInMiddle(a: string, b: string): boolean {
  const [left, right] = [personNameParts(a), personNameParts(b)]
  return left.given.length > 1 && left.given === right.given && left.middle.length > 1 && left.middle === right.middle
}

/**
 * Those of the researchers who may be the person, most likely first, at most 10. `others`: how many more of the name there are that
 * were not looked at. The confidence is made of how alike the names are, whether the company is among the employers, and how many
 * others are as likely: two people who fit equally well get half of it each.
 */
export function likelyResearchers(
  name: string,
  company: string | null,
  researchers: readonly Researcher[],
  others = 0,
): readonly Likeness[] {
  const fitting = researchers
    .map((researcher) => {
      const [nameSimilarity, spelled] = best(name, researcher.names.slice(0, MAX_NAMES), personNameSimilarity)
      return { researcher, nameSimilarity, spelled }
    })
    .filter(({ nameSimilarity }) => nameSimilarity >= SAME_NAME)
    .map((item) => {
      const institutions = company === null ? [] : item.researcher.institutions.slice(0, MAX_INSTITUTIONS)
      const [affiliation, institution] = best(company ?? '', institutions, companyNameSimilarity)
      return { ...item, affiliation, institution, there: affiliation >= SAME_COMPANY }
    })
  const weight = (similarity: number): number => similarity ** 4
  const total = (there: boolean): number =>
    fitting.reduce((sum, item) => (!there || item.there ? sum + weight(item.nameSimilarity) : sum), 0)
  const [thereTotal, allTotal] = [total(true), total(false) + others]

  return fitting
    .map(({ researcher, nameSimilarity, spelled, affiliation, institution, there }): Likeness => {
      const share = weight(nameSimilarity) / (there ? thereTotal : allTotal)
      const alone = spelled !== null && agreesInMiddle(name, spelled) ? NAME_WITH_MIDDLE : NAME_ALONE
      const base = there
        ? BEST * (affiliation >= 0.97 ? 1 : 0.95)
        : alone * (researcher.institutions.length === 0 ? 1 : OTHER_EMPLOYERS)
      return {
        providerKey: researcher.providerKey,
        method: there ? 'name+affiliation' : 'name_only',
        confidence: round(base * nameSimilarity * share),
        evidence: {
          name: spelled === null ? null : clipText(spelled, 120),
          name_similarity: round(nameSimilarity),
          institution: institution === null || !there ? null : clipText(institution, 160),
          institution_similarity: round(affiliation),
          namesakes: fitting.length - 1 + others,
          namesakes_there: there ? fitting.filter((item) => item.there).length - 1 : 0,
        },
      }
    })
    .sort((a, b) => b.confidence - a.confidence || (a.providerKey < b.providerKey ? -1 : 1))
    .slice(0, 10)
}
