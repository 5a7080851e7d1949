/** Authors and works as OpenAlex writes them. Counts move with every day of the world, as they do there. */
import type { JsonObject, JsonValue } from '../../model/json.ts'
import { DAY_MS, type EpochMs, toIso } from '../../model/time.ts'
import { dayText } from '../world/awards.ts'
import type { Employment, PeopleWorld, Profile, Work } from '../world/people-world.ts'

const FIRST_AUTHOR = 5_000_000_000
const FIRST_WORK = 4_000_000_000
const FIRST_INSTITUTION = 4_200_000_000
const TOPICS = [
  'Advanced Sensor Technologies',
  'Photonic Crystals and Applications',
  'Robotic Path Planning',
  'Composite Materials in Aerospace',
  'Nanoparticle Drug Delivery',
] as const

export const authorIdOf = (author: number): string => `A${FIRST_AUTHOR + author}`
export const workIdOf = (profile: Profile, { number }: Work): string => `W${FIRST_WORK + profile.index * 128 + number}`

/** The number of an author by its id; null when it cannot be one. */
export function authorNumber(id: string): number | null {
  const digits = /^A(\d{5,12})$/i.exec(id)?.[1]
  const number = digits === undefined ? -1 : Number(digits) - FIRST_AUTHOR
  return number >= 0 ? number : null
}

function hashOf(text: string): number {
  let hash = 7
  for (const char of text) hash = (Math.imul(hash, 31) + char.charCodeAt(0)) >>> 0
  return hash
}

function institution(name: string): JsonObject {
  const id = `https://openalex.org/I${FIRST_INSTITUTION + (hashOf(name) % 1_000_000)}`
  return {
    id,
    ror: `https://ror.org/0${(hashOf(name) % 1_000_000_000).toString(36).padStart(8, '0')}`,
    display_name: name,
    country_code: 'US',
    type: /University|Institute|College|Polytechnic/.test(name) ? 'education' : 'company',
    lineage: [id],
  }
}

/** Days since 2020, for everything that just grows. */
const age = (now: EpochMs): number => Math.floor((now - Date.UTC(2020, 0, 1)) / DAY_MS)

function yearsOf({ start, end }: Employment, now: EpochMs): readonly number[] {
  const first = Number(dayText(start).slice(0, 4))
  const last = Number(dayText(Math.min(end ?? Number.POSITIVE_INFINITY, Math.floor(now / DAY_MS))).slice(0, 4))
  return Array.from({ length: Math.max(1, Math.min(12, last - first + 1)) }, (_, back) => last - back)
}

function topic(index: number, count: number): JsonObject {
  return {
    id: `https://openalex.org/T${10_000 + index}`,
    display_name: TOPICS[index]!,
    count,
    subfield: { id: 'https://openalex.org/subfields/2204', display_name: 'Biomedical Engineering' },
    field: { id: 'https://openalex.org/fields/22', display_name: 'Engineering' },
    domain: { id: 'https://openalex.org/domains/3', display_name: 'Physical Sciences' },
  }
}

export function authorOf(people: PeopleWorld, profile: Profile, now: EpochMs): JsonObject {
  const state = people.at(profile, now)
  const id = `https://openalex.org/${authorIdOf(profile.author!)}`
  const orcid = `https://orcid.org/${profile.orcid}`
  const name = profile.credit ?? `${profile.given} ${profile.family}`
  const employments = [...state.employments].reverse()
  const works = state.works.length
  const topics = works === 0 ? [] : [topic(profile.index % TOPICS.length, works), topic((profile.index + 2) % TOPICS.length, 1)]
  const seen = new Map(employments.map((employment) => [employment.organization, employment]))
  return {
    id,
    orcid,
    display_name: name,
    display_name_alternatives: [...new Set([name, `${profile.given[0]}. ${profile.family}`, ...profile.otherNames])],
    raw_author_names: [name],
    full_name: name,
    works_count: works,
    cited_by_count: works * 4 + (works === 0 ? 0 : Math.floor(age(now) / (3 + (profile.index % 40)))),
    summary_stats: {
      '2yr_mean_citedness': works / 7,
      h_index: Math.floor(Math.sqrt(works * 3)),
      i10_index: Math.floor(works / 3),
    },
    ids: { openalex: id, orcid },
    affiliations: [...seen.values()].map((employment) => ({
      institution: institution(employment.organization),
      years: [...yearsOf(employment, now)],
    })),
    last_known_institutions: employments.length === 0 ? null : [institution(employments[0]!.organization)],
    topics,
    topic_share: [],
    x_concepts: [],
    counts_by_year: works === 0 ? null : [{ year: 2026, works_count: 1, oa_works_count: 0, cited_by_count: age(now) % 97 }],
    block_key: `${profile.given[0]?.toLowerCase()} ${profile.family.toLowerCase()}`,
    works_api_url: `https://api.openalex.org/works?filter=author.id:${authorIdOf(profile.author!)}`,
    updated_date: toIso(now).slice(0, 23),
    created_date: '2025-10-10T00:00:00',
  }
}

export function workOf(profile: Profile, work: Work, now: EpochMs): JsonObject {
  const id = workIdOf(profile, work)
  const doi = work.doi === null ? null : `https://doi.org/${work.doi}`
  const source =
    work.journal === null
      ? null
      : {
          id: `https://openalex.org/S${1_000_000 + (hashOf(work.journal) % 1_000_000)}`,
          display_name: work.journal,
          issn_l: null,
          issn: null,
          is_oa: false,
          is_in_doaj: false,
          is_core: true,
          host_organization: null,
          host_organization_name: null,
          host_organization_lineage: [],
          type: 'journal',
        }
  return {
    id: `https://openalex.org/${id}`,
    doi,
    title: work.title,
    display_name: work.title,
    publication_year: Number(dayText(work.day).slice(0, 4)),
    publication_date: dayText(work.day),
    ids: { openalex: `https://openalex.org/${id}`, ...(doi === null ? {} : { doi }) },
    language: 'en',
    primary_location: {
      id: doi === null ? null : `doi:${work.doi}`,
      is_oa: false,
      landing_page_url: doi,
      pdf_url: null,
      source,
      license: null,
      version: null,
    },
    type: work.type === 'preprint' ? 'preprint' : 'article',
    cited_by_count: Math.floor(age(now) / (5 + (work.number % 30))),
    fwci: (age(now) % 50) / 10,
    is_retracted: false,
    is_paratext: false,
    updated_date: toIso(now).slice(0, 23),
    created_date: '2025-10-10T00:00:00',
  }
}

/** Only the members that were asked for by `select`. */
export function selected(thing: JsonObject, select: string | null): JsonObject {
  if (select === null) return thing
  const names = new Set(select.split(','))
  return Object.fromEntries(Object.entries(thing).filter(([name]) => names.has(name))) as Record<string, JsonValue>
}
