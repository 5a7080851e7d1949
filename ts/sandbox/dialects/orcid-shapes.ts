/** Records as ORCID v3.0 writes them, with all the members around the few that say something. */
import type { JsonObject, JsonValue } from '../../model/json.ts'
import type { EpochMs } from '../../model/time.ts'
import { type Day, dayText } from '../world/awards.ts'
import type { Employment, PeopleWorld, Profile, ProfileState, Work } from '../world/people-world.ts'

const value = (content: JsonValue): JsonObject => ({ value: content })
const optional = (content: string | null): JsonObject | null => (content === null ? null : value(content))

function dateOf(day: Day | null, known: 'year' | 'day' = 'day'): JsonObject | null {
  if (day === null) return null
  const [year, month, date] = dayText(day).split('-') as [string, string, string]
  return { year: value(year), month: known === 'year' ? null : value(month), day: known === 'year' ? null : value(date) }
}

function source(profile: Profile): JsonObject {
  return {
    'source-orcid': { uri: `https://orcid.org/${profile.orcid}`, path: profile.orcid, host: 'orcid.org' },
    'source-client-id': null,
    'source-name': value(profile.credit ?? `${profile.given} ${profile.family}`),
    'assertion-origin-orcid': null,
    'assertion-origin-client-id': null,
    'assertion-origin-name': null,
  }
}

function item(profile: Profile, at: EpochMs, section: string, putCode: number): JsonObject {
  return {
    'created-date': value(at),
    'last-modified-date': value(at),
    source: source(profile),
    'put-code': putCode,
    path: `/${profile.orcid}/${section}/${putCode}`,
    visibility: 'public',
  }
}

function organization(profile: Profile, name: string): JsonObject {
  return { name, address: { city: profile.city, region: profile.region, country: 'US' }, 'disambiguated-organization': null }
}

function employment(profile: Profile, { putCode, role, organization: name, start, end }: Employment, at: EpochMs): JsonObject {
  return {
    'last-modified-date': value(at),
    'external-ids': { 'external-id': [] },
    summaries: [
      {
        'employment-summary': {
          ...item(profile, at, 'employment', putCode),
          'department-name': null,
          'role-title': role,
          'start-date': dateOf(start),
          'end-date': dateOf(end),
          organization: organization(profile, name),
          url: null,
          'external-ids': null,
          'display-index': '0',
        },
      },
    ],
  }
}

function externalIds(doi: string | null): JsonObject {
  return {
    'external-id':
      doi === null
        ? []
        : [
            {
              'external-id-type': 'doi',
              'external-id-value': doi.toUpperCase(),
              'external-id-normalized': { value: doi, transient: true },
              'external-id-normalized-error': null,
              'external-id-url': value(`https://doi.org/${doi}`),
              'external-id-relationship': 'self',
            },
          ],
  }
}

/** A third of the works was entered by two sources: one group, two summaries. */
function work(profile: Profile, { number, title, journal, doi, type, day }: Work, at: EpochMs): JsonObject {
  const summary = (putCode: number): JsonObject => ({
    ...item(profile, at, 'work', putCode),
    title: { title: value(title), subtitle: null, 'translated-title': null },
    'external-ids': externalIds(doi),
    url: null,
    type,
    'publication-date': dateOf(day, number % 4 === 0 ? 'year' : 'day'),
    'journal-title': optional(journal),
    'display-index': String(number % 2),
  })
  const putCode = profile.index * 1000 + number * 2
  return {
    'last-modified-date': value(at),
    'external-ids': externalIds(doi),
    'work-summary': number % 3 === 0 && doi !== null ? [summary(putCode + 1), summary(putCode)] : [summary(putCode)],
  }
}

function funding(profile: Profile, number: number, at: EpochMs): JsonObject {
  const id = {
    'external-id-type': 'grant_number',
    'external-id-value': `SBX-${profile.index}-${number}`,
    'external-id-normalized': null,
    'external-id-normalized-error': null,
    'external-id-url': null,
    'external-id-relationship': 'self',
  }
  return {
    'last-modified-date': value(at),
    'external-ids': { 'external-id': [id] },
    'funding-summary': [
      {
        ...item(profile, at, 'funding', profile.index * 100 + number),
        title: { title: value(`Grant ${number} of ${profile.family}`), 'translated-title': null },
        'external-ids': { 'external-id': [id] },
        url: null,
        type: 'grant',
        'start-date': value2018(number),
        'end-date': null,
        organization: organization(profile, 'National Science Foundation'),
        'display-index': '0',
      },
    ],
  }
}

const value2018 = (number: number): JsonObject => ({ year: value(String(2018 + number)), month: null, day: null })

function empty(section: string, list: string, orcid: string): JsonObject {
  return { 'last-modified-date': null, [list]: [], path: `/${orcid}/${section}` }
}

export function personOf(profile: Profile, state: ProfileState): JsonObject {
  const { orcid, given, family, credit, otherNames } = profile
  const at = value(state.lastModified)
  return {
    'last-modified-date': at,
    name: {
      'created-date': at,
      'last-modified-date': at,
      'given-names': value(given),
      'family-name': value(family),
      'credit-name': optional(credit),
      source: null,
      visibility: 'public',
      path: orcid,
    },
    'other-names': {
      'last-modified-date': otherNames.length === 0 ? null : at,
      'other-name': otherNames.map((content, index) => ({
        ...item(profile, state.lastModified, 'other-names', index + 1),
        content,
        'display-index': index + 1,
      })),
      path: `/${orcid}/other-names`,
    },
    biography: null,
    'researcher-urls': empty('researcher-urls', 'researcher-url', orcid),
    emails: {
      'last-modified-date': null,
      // A few let everybody see their address; nobody here needs it.
      email:
        profile.index % 16 === 0
          ? [
              {
                email: `${family.toLowerCase().replace(/[^a-z]/g, '')}@sandbox.example`,
                path: null,
                visibility: 'public',
                verified: true,
                primary: true,
                'put-code': null,
              },
            ]
          : [],
      path: `/${orcid}/email`,
    },
    addresses: {
      'last-modified-date': at,
      address: [{ ...item(profile, state.lastModified, 'address', 1), country: value('US'), 'display-index': 0 }],
      path: `/${orcid}/address`,
    },
    keywords: {
      'last-modified-date': state.keywords.length === 0 ? null : at,
      keyword: state.keywords.map((content, index) => ({
        ...item(profile, state.lastModified, 'keywords', index + 1),
        content,
        'display-index': index + 1,
      })),
      path: `/${orcid}/keywords`,
    },
    'external-identifiers': empty('external-identifiers', 'external-identifier', orcid),
    path: `/${orcid}/person`,
  }
}

/** `GET /{orcid}/record`. */
export function recordOf(people: PeopleWorld, profile: Profile, state: ProfileState): JsonObject {
  const { orcid } = profile
  const at = state.lastModified
  const affiliation = (section: string): JsonObject => empty(section, 'affiliation-group', orcid)
  return {
    'orcid-identifier': { uri: `https://orcid.org/${orcid}`, path: orcid, host: 'orcid.org' },
    preferences: { locale: 'en' },
    history: {
      'creation-method': 'DIRECT',
      'completion-date': null,
      'submission-date': value(1_500_000_000_000 + profile.index),
      'last-modified-date': value(at),
      claimed: true,
      source: null,
      'deactivation-date': null,
      'verified-email': true,
      'verified-primary-email': true,
    },
    person: personOf(profile, state),
    'activities-summary': {
      'last-modified-date': value(at),
      distinctions: affiliation('distinctions'),
      educations: affiliation('educations'),
      employments: {
        'last-modified-date': value(at),
        'affiliation-group': [...state.employments].reverse().map((entry) => employment(profile, entry, at)),
        path: `/${orcid}/employments`,
      },
      fundings: {
        'last-modified-date': value(at),
        group: Array.from({ length: state.fundings }, (_, number) => funding(profile, number, at)),
        path: `/${orcid}/fundings`,
      },
      'invited-positions': affiliation('invited-positions'),
      memberships: affiliation('memberships'),
      'peer-reviews': empty('peer-reviews', 'group', orcid),
      qualifications: affiliation('qualifications'),
      'research-resources': empty('research-resources', 'group', orcid),
      services: affiliation('services'),
      works: {
        'last-modified-date': state.works.length === 0 ? null : value(at),
        group: people
          .worksOf(profile, state)
          .map((entry) => work(profile, entry, at))
          .reverse(),
        path: `/${orcid}/works`,
      },
      path: `/${orcid}/activities`,
    },
    path: `/${orcid}`,
  }
}

/** One row of an expanded search. */
export function expandedRow(profile: Profile, state: ProfileState): JsonObject {
  return {
    'orcid-id': profile.orcid,
    'given-names': profile.given,
    'family-names': profile.family,
    'credit-name': profile.credit,
    'other-name': profile.otherNames,
    email: [],
    'institution-name': [...new Set(state.employments.map(({ organization: name }) => name))],
  }
}
