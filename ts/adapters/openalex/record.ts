/** An author and the newest works -> record. Counts that every new citation moves are kept apart, so that they are no change. */
import type { JsonObject, JsonValue } from '../../model/json.ts'
import { readOrcid } from '../orcid/ids.ts'
import { calendarDate } from '../shared/dates.ts'
import { canonicalDecimal } from '../shared/decimal.ts'
import { countOf, listOf, memberAt, textAt } from '../shared/json.ts'
import { clipText } from '../shared/text.ts'
import { readAuthorId, readWorkId } from './ids.ts'

/** The last part of an id that is a URL: `I145311948`, `T10102`. */
function shortId(value: JsonValue | undefined, ...path: readonly string[]): string | null {
  const text = textAt(value, ...path)
  return text === null ? null : (/([^/]{1,60})\/?$/.exec(text)?.[1] ?? null)
}

function text(value: JsonValue | undefined, ...path: readonly string[]): string | null {
  const found = textAt(value, ...path)
  return found === null ? null : clipText(found, 500)
}

function institution(value: JsonValue | undefined): JsonObject {
  return {
    id: shortId(value, 'id'),
    name: text(value, 'display_name'),
    ror: shortId(value, 'ror'),
    country: text(value, 'country_code'),
    type: text(value, 'type'),
  }
}

function byId(items: readonly JsonObject[]): readonly JsonObject[] {
  const known = new Map(items.filter(({ id }) => id !== null && id !== undefined).map((item) => [String(item['id']), item]))
  return [...known.values()]
}

function years(value: JsonValue | undefined): readonly number[] {
  const found = listOf(value)
    .map(countOf)
    .filter((year) => year !== null)
  return [...new Set(found)].sort((a, b) => b - a)
}

/** Accounts in networks are left out: they say nothing of research. */
function otherIds(value: JsonValue | undefined): JsonObject {
  const kept = ['scopus', 'wikipedia', 'wikidata', 'mag'].map((name) => [name, text(value, name)] as const)
  return Object.fromEntries(kept.filter(([, id]) => id !== null))
}

function work(value: JsonValue): JsonObject {
  return {
    id: readWorkId(textAt(value, 'id')),
    doi: /10\.\d{3,9}\/\S+$/.exec(textAt(value, 'doi') ?? '')?.[0]?.toLowerCase() ?? null,
    title: text(value, 'title') ?? text(value, 'display_name'),
    published: calendarDate(memberAt(value, 'publication_date')),
    type: text(value, 'type'),
    venue: text(value, 'primary_location', 'source', 'display_name'),
    retracted: memberAt(value, 'is_retracted') === true,
  }
}

/** The works since the day that was asked for, newest first; not `complete` when there are more than came. */
export type WorksPage = { readonly results: readonly JsonValue[]; readonly complete: boolean }

/**
 * `page`: null when it was not asked for. All works since a day are compared: one that is gone from them is gone. Of the newest of
 * many, one only makes room for another; so they are shown (`newest_works`), and not compared.
 */
export function recordOfAuthor(author: JsonObject, page: WorksPage | null): JsonObject {
  const stats = memberAt(author, 'summary_stats')
  const alternatives = listOf(author['display_name_alternatives'])
    .map((name) => text(name))
    .filter((name) => name !== null)
  return {
    openalex_id: readAuthorId(textAt(author, 'id')),
    orcid: readOrcid(textAt(author, 'orcid')),
    name: text(author, 'display_name'),
    other_names: [...new Set(alternatives)].sort(),
    other_ids: otherIds(author['ids']),
    last_institutions: byId(listOf(author['last_known_institutions']).map(institution)),
    affiliations: byId(
      listOf(author['affiliations']).map((item) => ({
        ...institution(memberAt(item, 'institution')),
        years: years(memberAt(item, 'years')),
      })),
    ),
    topics: byId(
      listOf(author['topics']).map((topic) => ({
        id: shortId(topic, 'id'),
        name: text(topic, 'display_name'),
        field: text(topic, 'field', 'display_name'),
      })),
    ),
    works: page?.complete === true ? byId(page.results.map(work)) : null,
    works_complete: page === null ? null : page.complete,
    newest_works: page?.complete === false ? byId(page.results.map(work)) : null,
    counts: {
      works: countOf(author['works_count']),
      citations: countOf(author['cited_by_count']),
      h_index: countOf(memberAt(stats, 'h_index')),
      i10_index: countOf(memberAt(stats, 'i10_index')),
      mean_citedness_2yr: canonicalDecimal(memberAt(stats, '2yr_mean_citedness')),
    },
  }
}
