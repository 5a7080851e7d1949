/** How likely it is that an entry of a register is our company, from what both say: name, state, address, status, and who else fits. */
import type { Entity } from '../../model/entity.ts'
import type { JsonObject } from '../../model/json.ts'
import type { Candidate } from '../adapter.ts'
import { attributeText } from '../shared/entity.ts'
import { memberAt, textAt } from '../shared/json.ts'
import { companyNameKey, companyNameSimilarity } from '../shared/names.ts'
import { clipText, foldText } from '../shared/text.ts'
import { type CompanyKey, companyKeyText, USUAL_HOME } from './ids.ts'
import { previousNames } from './record.ts'

/** Never quite 1: a name is not a number. */
const BEST = 0.96
/** Below it, two names are taken for those of two companies. */
const SAME_NAME = 0.85
/** The name that it had before. */
const FORMER = 0.92
/** Not the same name but for case, punctuation and legal form. */
const SIMILAR = 0.92
/** `Acme, Inc.` and `Acme LLC` may be one company that changed its form, or two. */
const OTHER_FORM = 0.94
/** Founded in Delaware under a name that somebody else may have in the state where the company works. */
const ELSEWHERE = 0.78
const INACTIVE = 0.94
/** It has an address, and ours is in another town. */
const OTHER_TOWN = 0.95
/** More entries fit the words than were read. */
const UNREAD = 0.97
const MAX_CANDIDATES = 10
const MAX_NAMES = 20

type Form = 'corporation' | 'llc' | 'partnership'

const FORMS: readonly (readonly [RegExp, Form])[] = [
  [/\b(?:LLC|PLLC|LC|LIMITED LIABILITY CO(?:MPANY)?)$/, 'llc'],
  [/\b(?:LP|LLP|LLLP|PARTNERSHIP)$/, 'partnership'],
  [/\b(?:INC|INCORPORATED|CORP|CORPORATION|PBC)$/, 'corporation'],
]

function formOf(name: string): Form | null {
  const words = foldText(
    name
      .toUpperCase()
      .replace(/\./g, '')
      .replace(/[^A-Z0-9]+/g, ' '),
  )
  return FORMS.find(([pattern]) => pattern.test(words))?.[1] ?? null
}

export type RegisterEntry = { readonly key: CompanyKey; readonly company: JsonObject }

type Fit = {
  readonly entry: RegisterEntry
  readonly matched: string
  readonly kind: 'exact_name' | 'former_name' | 'similar_name'
  readonly similarity: number
  readonly otherForm: boolean
  readonly inactive: boolean
  readonly sameTown: boolean | null
  /** How much it looks like ours but for where it is and who else fits. */
  readonly likeness: number
}

/** Whether the address names our town or zip code; null when either side has no address. */
function sameTown(company: JsonObject, entity: Entity): boolean | null {
  const given = memberAt(company, 'registered_address')
  const words = (text: string | null): string => ` ${foldText((text ?? '').toUpperCase().replace(/[^A-Z0-9]+/g, ' '))} `
  const theirs = words(['street_address', 'locality', 'postal_code'].map((part) => textAt(given, part) ?? '').join(' '))
  const city = words(attributeText(entity, 'city')).trim()
  const zip = /^\d{5}/.exec(attributeText(entity, 'zip') ?? '')?.[0] ?? ''
  if (theirs.trim() === '' || (city === '' && zip === '')) return null
  return (city !== '' && theirs.includes(` ${city} `)) || (zip !== '' && theirs.includes(` ${zip}`))
}

function fitOf(entry: RegisterEntry, entity: Entity, name: string): Fit | null {
  const { company } = entry
  const current = textAt(company, 'name') ?? ''
  const ours = companyNameKey(name)
  const former = previousNames(company)
    .slice(0, MAX_NAMES)
    .find((text) => companyNameKey(text) === ours)
  const similarity = companyNameSimilarity(name, current)
  const kind = similarity === 1 ? 'exact_name' : former !== undefined ? 'former_name' : 'similar_name'
  if (kind === 'similar_name' && similarity < SAME_NAME) return null
  const matched = kind === 'former_name' ? former! : current
  const [left, right] = [formOf(name), formOf(matched)]
  const otherForm = left !== null && right !== null && left !== right
  const inactive = company['inactive'] === true
  const town = sameTown(company, entity)
  const likeness =
    (kind === 'exact_name' ? 1 : kind === 'former_name' ? FORMER : SIMILAR * similarity) *
    (otherForm ? OTHER_FORM : 1) *
    (inactive ? INACTIVE : 1) *
    (town === false ? OTHER_TOWN : 1)
  return { entry, matched, kind, similarity, otherForm, inactive, sameTown: town, likeness }
}

const round = (value: number): number => Math.round(value * 1000) / 1000
/** Among several that fit, a little more alike is much more likely. */
const weight = ({ likeness }: Fit): number => likeness ** 16

/**
 * Entries that may be the company, most likely first, at most 10. `home`: the register of its state. Those that fit in one register
 * share what there is to be sure of; an entry elsewhere never takes from one at home, where the company has to register to do business.
 */
export function likelyCompanies(
  entity: Entity,
  home: string,
  entries: readonly RegisterEntry[],
  unread = 0,
): readonly Candidate[] {
  const name = attributeText(entity, 'name') ?? ''
  const fits = entries.map((entry) => fitOf(entry, entity, name)).filter((fit) => fit !== null)
  const totals = new Map<string, number>()
  for (const fit of fits) {
    const { jurisdiction } = fit.entry.key
    totals.set(jurisdiction, (totals.get(jurisdiction) ?? 0) + weight(fit))
  }
  return fits
    .map((fit): Candidate => {
      const { key, company } = fit.entry
      const share = weight(fit) / totals.get(key.jurisdiction)!
      const place = key.jurisdiction === home ? 1 : ELSEWHERE
      const there = key.jurisdiction === home ? 'state' : key.jurisdiction === USUAL_HOME ? 'delaware' : 'elsewhere'
      return {
        providerKey: companyKeyText(key),
        method: `${fit.kind}+${there}`,
        confidence: round(BEST * fit.likeness * place * share * (unread > 0 ? UNREAD : 1)),
        evidence: {
          name: clipText(textAt(company, 'name') ?? '', 160),
          matched_name: clipText(fit.matched, 160),
          name_similarity: round(fit.kind === 'former_name' ? 1 : fit.similarity),
          other_legal_form: fit.otherForm,
          inactive: fit.inactive,
          same_town: fit.sameTown,
          others_there: fits.filter((other) => other.entry.key.jurisdiction === key.jurisdiction).length - 1,
          unread,
        },
      }
    })
    .sort((a, b) => b.confidence - a.confidence || (a.providerKey < b.providerKey ? -1 : 1))
    .slice(0, MAX_CANDIDATES)
}
