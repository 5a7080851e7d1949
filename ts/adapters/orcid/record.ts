/** `/record` -> what the researcher lets everybody see. Who entered it, when and in which order is left out; so is every e-mail address. */
import type { JsonObject, JsonValue } from '../../model/json.ts'
import { toIso } from '../../model/time.ts'
import { listOf, memberAt, textAt } from '../shared/json.ts'
import { clipText, foldText } from '../shared/text.ts'

const EMAIL = /[^\s<>()[\],;:"']+@[^\s<>()[\],;:"']+\.[^\s<>()[\],;:"']+/g
const MAX_TEXT = 1_000

/** Text of a member, without the e-mail addresses that people write into their fields. */
function text(value: JsonValue | undefined, ...path: readonly string[]): string | null {
  const found = textAt(value, ...path)
  if (found === null) return null
  const clean = foldText(clipText(found, MAX_TEXT).replace(EMAIL, ' '))
  return clean === '' ? null : clean
}

/** `{value}` as ORCID wraps nearly everything. */
function wrapped(value: JsonValue | undefined, ...path: readonly string[]): string | null {
  return text(value, ...path, 'value')
}

/** `2012-10-01`, `2012-10` or `2012`, as much as is known; null for anything that is no date. */
export function partialDate(value: JsonValue | undefined): string | null {
  const part = (name: string, digits: RegExp): string | null => {
    const found = textAt(value, name, 'value')
    return found !== null && digits.test(found) ? found.padStart(2, '0') : null
  }
  const year = part('year', /^\d{4}$/)
  if (year === null) return null
  const month = part('month', /^(?:0?[1-9]|1[0-2])$/)
  const day = part('day', /^(?:0?[1-9]|[12]\d|3[01])$/)
  return [year, month, month === null ? null : day].filter((piece) => piece !== null).join('-')
}

/** Milliseconds in `{value}` as UTC; null when it is none. */
function instant(value: JsonValue | undefined): string | null {
  const at = memberAt(value, 'value')
  return typeof at === 'number' && Number.isSafeInteger(at) && Math.abs(at) < 8e15 ? toIso(at) : null
}

/** Only addresses of pages: `mailto:` is one of a person. */
function webAddress(value: JsonValue | undefined): string | null {
  const url = textAt(value, 'value')
  return url !== null && /^https?:\/\/[^\s@]+$/i.test(url) && url.length <= 500 ? url : null
}

type Piece = { readonly group: JsonValue; readonly summary: JsonValue }

/** The first of a group by put-code: several sources may have entered the same thing. */
function firstOfGroups(groups: JsonValue | undefined, list: string, member: string | null): readonly Piece[] {
  const putCode = (summary: JsonValue): string => (textAt(summary, 'put-code') ?? '').padStart(20, '0')
  return listOf(groups).flatMap((group): Piece[] => {
    const summaries = listOf(memberAt(group, list)).map((item) => (member === null ? item : (memberAt(item, member) ?? null)))
    const [summary] = summaries
      .filter((item) => textAt(item, 'put-code') !== null)
      .sort((a, b) => (putCode(a) < putCode(b) ? -1 : 1))
    return summary === undefined ? [] : [{ group, summary }]
  })
}

function organization(value: JsonValue | undefined): JsonObject {
  const known = memberAt(value, 'disambiguated-organization')
  return {
    name: text(value, 'name'),
    city: text(value, 'address', 'city'),
    region: text(value, 'address', 'region'),
    country: text(value, 'address', 'country'),
    id: text(known, 'disambiguated-organization-identifier'),
    id_source: text(known, 'disambiguation-source'),
  }
}

function affiliations(activities: JsonValue | undefined, section: string, member: string): readonly JsonObject[] {
  return firstOfGroups(memberAt(activities, section, 'affiliation-group'), 'summaries', member).map(({ summary }) => ({
    put_code: textAt(summary, 'put-code'),
    role: text(summary, 'role-title'),
    department: text(summary, 'department-name'),
    organization: organization(memberAt(summary, 'organization')),
    start: partialDate(memberAt(summary, 'start-date')),
    end: partialDate(memberAt(summary, 'end-date')),
  }))
}

/** Of several the first in the order of their texts: ORCID's own order may be any. */
function externalId(group: JsonValue, summary: JsonValue, type: string): string | null {
  for (const holder of [group, summary]) {
    const values = listOf(memberAt(holder, 'external-ids', 'external-id'))
      .filter((id) => textAt(id, 'external-id-type') === type)
      .map((id) => text(id, 'external-id-normalized', 'value') ?? text(id, 'external-id-value'))
      .filter((value) => value !== null)
    const [first] = values.sort()
    if (first !== undefined) return first
  }
  return null
}

/** Newest first, so that a cap leaves out the oldest. */
function newest(items: readonly JsonObject[], date: string, max: number): readonly JsonObject[] {
  const key = (item: JsonObject): string => `${String(item[date] ?? '')} ${String(item['put_code'] ?? '').padStart(20, '0')}`
  return [...items].sort((a, b) => (key(a) < key(b) ? 1 : -1)).slice(0, max)
}

function works(activities: JsonValue | undefined): readonly JsonObject[] {
  return firstOfGroups(memberAt(activities, 'works', 'group'), 'work-summary', null).map(({ group, summary }) => ({
    put_code: textAt(summary, 'put-code'),
    title: wrapped(summary, 'title', 'title'),
    type: text(summary, 'type'),
    journal: wrapped(summary, 'journal-title'),
    published: partialDate(memberAt(summary, 'publication-date')),
    doi: externalId(group, summary, 'doi')?.toLowerCase() ?? null,
  }))
}

function fundings(activities: JsonValue | undefined): readonly JsonObject[] {
  return firstOfGroups(memberAt(activities, 'fundings', 'group'), 'funding-summary', null).map(({ group, summary }) => ({
    put_code: textAt(summary, 'put-code'),
    title: wrapped(summary, 'title', 'title'),
    type: text(summary, 'type'),
    funder: organization(memberAt(summary, 'organization')),
    grant_number: externalId(group, summary, 'grant_number'),
    start: partialDate(memberAt(summary, 'start-date')),
    end: partialDate(memberAt(summary, 'end-date')),
  }))
}

function distinct(values: readonly (string | null)[]): readonly string[] {
  return [...new Set(values.filter((value) => value !== null))].sort()
}

/** `maxWorks`: works beyond it, the oldest ones, are counted and not listed. */
export function recordOfPerson(orcid: string, body: JsonObject, maxWorks: number): JsonObject {
  const person = memberAt(body, 'person')
  const activities = memberAt(body, 'activities-summary')
  const items = (section: string, member: string): readonly JsonValue[] => listOf(memberAt(person, section, member))
  const allWorks = works(activities)
  const ids = items('external-identifiers', 'external-identifier').map((item) => ({
    type: text(item, 'external-id-type'),
    value: text(item, 'external-id-value'),
    url: webAddress(memberAt(item, 'external-id-url')),
  }))
  const byId = new Map(ids.filter(({ value }) => value !== null).map((id) => [`${id.type} ${id.value}`, id]))
  return {
    orcid,
    name: {
      given: wrapped(person, 'name', 'given-names'),
      family: wrapped(person, 'name', 'family-name'),
      credit: wrapped(person, 'name', 'credit-name'),
    },
    other_names: distinct(items('other-names', 'other-name').map((item) => text(item, 'content'))),
    keywords: distinct(items('keywords', 'keyword').map((item) => text(item, 'content'))),
    countries: distinct(items('addresses', 'address').map((item) => wrapped(item, 'country'))),
    web_pages: distinct(items('researcher-urls', 'researcher-url').map((item) => webAddress(memberAt(item, 'url')))),
    external_ids: [...byId.values()],
    employments: affiliations(activities, 'employments', 'employment-summary'),
    educations: affiliations(activities, 'educations', 'education-summary'),
    fundings: fundings(activities),
    works_count: allWorks.length,
    works: newest(allWorks, 'published', maxWorks),
    last_modified: instant(memberAt(body, 'history', 'last-modified-date')),
  }
}
