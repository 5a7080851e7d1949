/** PI -> iD by expanded-search: one question for the namesakes and for those of the family name at the company, rarely a second one. */
import type { Entity } from '../../model/entity.ts'
import type { JsonObject } from '../../model/json.ts'
import type { RequestSpec, ResponseView } from '../../model/response.ts'
import type { Resolution, ResolveCapability, Target } from '../adapter.ts'
import { attributeText } from '../shared/entity.ts'
import { countOf, listOf, requireObject, requireObjects, textAt } from '../shared/json.ts'
import { MalformedAnswer } from '../shared/malformed.ts'
import { companyNameKey, personNameParts } from '../shared/names.ts'
import { readOrcid } from './ids.ts'
import { likelyResearchers, type Researcher } from './likeness.ts'

const ROWS = 100
const MAX_TERM = 80

export function orcidSearchRequest(
  label: string,
  path: 'search' | 'expanded-search',
  query: string,
  start: number,
  rows: number,
): RequestSpec {
  return {
    method: 'GET',
    // As in the answers that are known: one with the slash, one without.
    path: path === 'search' ? '/v3.0/search' : '/v3.0/expanded-search/',
    query: [
      ['q', query],
      ['start', String(start)],
      ['rows', String(rows)],
    ],
    headers: { accept: 'application/json' },
    label,
  }
}

/** A phrase of the index's query language. Whatever has a meaning there is left out: unescaped it is answered with a crash. */
function phrase(text: string): string | null {
  const words = text
    .slice(0, MAX_TERM)
    .replace(/[^\p{L}\p{N}\p{M}'’ -]+/gu, ' ')
    .replace(/’/g, "'")
    .replace(/ +/g, ' ')
    .trim()
  return /[\p{L}\p{N}]/u.test(words) ? `"${words}"` : null
}

const compact = (text: string): string => text.toUpperCase().replace(/[^\p{L}\p{N}]/gu, '')

/** The way the file spells a part (`O'Brien`), beside the folded one (`OBRIEN`): the index folds less than we do. */
function spellings(raw: string, part: string): readonly string[] {
  const words = raw.split(/[\s,]+/).filter((word) => compact(word).normalize('NFKD').replace(/\p{M}/gu, '') === compact(part))
  return [...new Set([part, ...words.map((word) => word.toUpperCase())])]
}

function anyOf(field: string, terms: readonly (string | null)[]): string | null {
  const known = terms.filter((term) => term !== null)
  if (known.length === 0) return null
  return known.length === 1 ? `${field}:${known[0]}` : `${field}:(${known.join(' OR ')})`
}

type Question = { readonly family: string; readonly given: string; readonly company: string | null }

/** The clauses of a person, or null when the name has no family and given name to ask by. */
function questionOf(entity: Entity): Question | null {
  const raw = attributeText(entity, 'name')
  if (raw === null) return null
  const { given, middle, family } = personNameParts(raw)
  const families = anyOf('family-name', spellings(raw, family).map(phrase))
  const terms = given.length === 1 ? [`${given}*`, middle.length > 1 ? phrase(middle) : null] : spellings(raw, given).map(phrase)
  const givens = /\p{L}/u.test(given) ? anyOf('given-names', terms) : null
  if (families === null || givens === null) return null
  const company = companyNameKey(attributeText(entity, 'company_name') ?? '')
  return { family: families, given: givens, company: anyOf('affiliation-org-name', [phrase(company)]) }
}

type Found = { readonly researchers: readonly Researcher[]; readonly total: number }

function names(row: JsonObject): readonly string[] {
  const [given, family] = [textAt(row, 'given-names'), textAt(row, 'family-names')]
  const main = family === null ? given : given === null ? family : `${family}, ${given}`
  const further = [textAt(row, 'credit-name'), ...listOf(row['other-name']).map((name) => textAt(name))]
  return [main, ...further].filter((name) => name !== null)
}

/** Throws `MalformedAnswer`. */
function foundIn(view: ResponseView): Found {
  const body = requireObject(view, 'the search answer')
  const total = countOf(body['num-found'])
  if (total === null) throw new MalformedAnswer('the search answer has no num-found')
  const rows = requireObjects(listOf(body['expanded-result']), 'expanded-result')
  if (rows.length === 0 && total > 0) throw new MalformedAnswer(`${total} researchers were announced, none came`)
  const researchers = rows.map((row): Researcher => {
    const providerKey = readOrcid(textAt(row, 'orcid-id'))
    if (providerKey === null) throw new MalformedAnswer('a researcher has no orcid-id')
    const institutions = listOf(row['institution-name'])
      .map((name) => textAt(name))
      .filter((name) => name !== null)
    return { providerKey, names: names(row), institutions }
  })
  return { researchers, total }
}

function request(views: readonly ResponseView[], target: Target): RequestSpec | null {
  const question = questionOf(target.entity)
  if (question === null) return null
  const { family, given, company } = question
  if (views.length === 0) {
    const rest = company === null ? given : `(${given} OR ${company})`
    return orcidSearchRequest('people.search', 'expanded-search', `${family} AND ${rest}`, 0, ROWS)
  }
  // More namesakes than a page: those at the company are asked for by themselves.
  if (views.length > 1 || company === null || foundIn(views[0]!).total <= ROWS) return null
  return orcidSearchRequest('people.search', 'expanded-search', `${family} AND ${company}`, 0, ROWS)
}

function parse(views: readonly ResponseView[], target: Target): Resolution {
  const name = attributeText(target.entity, 'name')
  if (name === null || views.length === 0) return { candidates: [], reason: 'no given and family name to ask by' }
  const found = views.map(foundIn)
  const byId = new Map(found.flatMap(({ researchers }) => researchers).map((one) => [one.providerKey, one]))
  const others = Math.max(0, (found[0]?.total ?? 0) - ROWS)
  const candidates = likelyResearchers(name, attributeText(target.entity, 'company_name'), [...byId.values()], others)
  if (candidates.length > 0) return { candidates }
  return { candidates, reason: byId.size === 0 ? 'ORCID has nobody of that name' : 'ORCID has nobody whose name is alike enough' }
}

export const resolve: ResolveCapability = {
  entityKinds: ['person'],
  version: 1,
  cohort: 'name_batch',
  unresolvable: (entity) => (questionOf(entity) === null ? 'no given and family name' : null),
  request,
  parse,
}
