/** Turns facts into the entities, aliases and links that the store keeps. Pure. */
import type { Entity } from '../model/entity.ts'
import type { JsonObject, JsonValue } from '../model/json.ts'
import type { EntityRef } from '../model/keys.ts'
import type { EntityUpsert } from '../stores/store.ts'
import { type AwardFacts, awardAliases } from './award-row.ts'
import type { Field, LoaderId } from './columns.ts'
import { compareFacts, newerDuns } from './company-register.ts'
import type { ResolvedCompany } from './company-resolution.ts'
import { domainOf } from './domains.ts'
import { type CompanyFacts, type CompanyFields, datedText, UNDATED } from './facts.ts'
import { type CompanyPerson, personKeyName } from './person-register.ts'
import { identifiersOf } from './stored-companies.ts'

/** A company of the file with what its rows, taken together, say. */
export type CompanyDigest = {
  readonly company: ResolvedCompany
  readonly uei: string | null
  readonly duns: string | null
  readonly newest: CompanyFacts
  readonly name: string
  readonly domain: string | null
  /** The newest award of which anything is known, in this file or an earlier one: `CompanyFacts.dated`. */
  readonly dated: number
  /** An earlier file had a newer award of the company: its attributes stand, this file only adds to them. */
  readonly isOutdated: boolean
}

/** `isCurrent`: the file is what the provider serves now, so that what it says is right whatever was known. */
export function digestCompany(company: ResolvedCompany, loader: LoaderId, isCurrent: boolean): CompanyDigest {
  const { units, stored } = company
  const newest = units.map((unit) => unit.newest).reduce((best, facts) => (compareFacts(facts, best) > 0 ? facts : best))
  const known = stored?.dated ?? UNDATED
  // The company file has no dates; it is about the present.
  const isOutdated = loader === 'sbir_awards' && !isCurrent && stored !== null && newest.dated < known
  const uei = units.find((unit) => unit.uei !== null)?.uei ?? null
  const duns = units.map((unit) => unit.newestDuns).reduce(newerDuns)?.duns ?? null
  const domain = domainOf(newest.rawWebsite)
  return {
    company,
    uei: isOutdated ? (stored.uei ?? uei) : (uei ?? stored?.uei ?? null),
    duns: isOutdated ? (stored.mainDuns ?? duns) : (duns ?? stored?.mainDuns ?? null),
    newest,
    name: isOutdated ? (stored.name ?? newest.fields.name) : newest.fields.name,
    domain: isOutdated ? stored.domain : domain,
    dated: isOutdated || loader !== 'sbir_awards' ? known : newest.dated,
    isOutdated,
  }
}

function aliasesOf({ key, units }: ResolvedCompany): readonly string[] {
  return [...new Set(units.flatMap(identifiersOf))].filter((identifier) => identifier !== key).sort()
}

const COMPANY_FIELDS: readonly (readonly [keyof CompanyFields, Field])[] = [
  ['name', 'company'],
  ['address1', 'address1'],
  ['address2', 'address2'],
  ['city', 'city'],
  ['state', 'state'],
  ['zip', 'zip'],
  ['country', 'country'],
  ['website', 'website'],
  ['number_employees', 'number_employees'],
  ['hubzone_owned', 'hubzone_owned'],
  ['woman_owned', 'woman_owned'],
  ['disadvantaged', 'disadvantaged'],
  ['number_awards', 'number_awards'],
]

const refTo = (kind: EntityRef['kind'], key: string): EntityRef => ({ kind, key })

/**
 * The company as it is to be stored. Columns the file does not have leave what is known alone; so do empty cells of the
 * company file, which only adds to the award file, and so does all that an award file says of the company as it was before
 * its newest award. Identifiers once known stay.
 */
export function companyEntity(
  digest: CompanyDigest,
  known: Entity | null,
  fields: ReadonlySet<Field>,
  loader: LoaderId,
): EntityUpsert {
  const stored = known?.attributes ?? {}
  const keep = (name: string): JsonValue => stored[name] ?? null
  const said = (field: Field, value: JsonValue, name: string): JsonValue =>
    fields.has(field) && !digest.isOutdated && (value !== null || loader === 'sbir_awards') ? value : keep(name)
  const attributes: Record<string, JsonValue> = { uei: digest.uei ?? keep('uei'), duns: digest.duns ?? keep('duns') }
  for (const [name, field] of COMPANY_FIELDS) attributes[name] = said(field, digest.newest.fields[name], name)
  attributes['domain'] = said('website', digest.domain, 'domain')
  attributes['newest_award'] = datedText(digest.dated)
  const self = refTo('company', digest.company.key)
  const links = digest.domain === null ? [] : [{ from: self, kind: 'has_domain' as const, to: refTo('domain', digest.domain) }]
  return { ...self, attributes, aliases: aliasesOf(digest.company), links }
}

/** Each domain with the company that it is said of; of several the one with the newer award, then the smaller key. */
export function domainOwners(digests: readonly CompanyDigest[]): {
  readonly owners: ReadonlyMap<string, CompanyDigest>
  readonly shared: number
} {
  const owners = new Map<string, CompanyDigest>()
  const shared = new Set<string>()
  for (const digest of digests) {
    if (digest.domain === null) continue
    const known = owners.get(digest.domain)
    if (known !== undefined) shared.add(digest.domain)
    const isOwner =
      known === undefined || (digest.dated !== known.dated ? digest.dated > known.dated : digest.company.key < known.company.key)
    if (isOwner) owners.set(digest.domain, digest)
  }
  return { owners, shared: shared.size }
}

export function domainEntity(domain: string, companyKey: string): EntityUpsert {
  return { ...refTo('domain', domain), attributes: { domain, company_key: companyKey }, aliases: [], links: [] }
}

export const personKey = (keyName: string, companyKey: string): string => `pi:${keyName}|${companyKey}`

export function personEntity({ keyName, name }: CompanyPerson<unknown>, digest: CompanyDigest): EntityUpsert {
  const { key } = digest.company
  const attributes = {
    name,
    company_key: key,
    company_name: digest.name,
    role: 'principal_investigator',
  }
  return { ...refTo('person', personKey(keyName, key)), attributes, aliases: [], links: [] }
}

/** An award; where its row gives no UEI or DUNS number, those of its company stand in. `digest`: null in files that name no company. */
export function awardEntity(facts: AwardFacts, digest: CompanyDigest | null): EntityUpsert {
  const { fields } = facts
  if (digest === null) {
    const attributes: JsonObject = { ...fields, company_key: null }
    return { ...refTo('award', facts.key), attributes, aliases: awardAliases(fields), links: [] }
  }
  const { key } = digest.company
  const self = refTo('award', facts.key)
  const attributes: JsonObject = {
    ...fields,
    company_key: key,
    uei: fields.uei ?? digest.uei,
    duns: fields.duns ?? digest.duns,
  }
  const keyName = personKeyName(fields.pi_name)
  const links = [
    { from: self, kind: 'awarded_to' as const, to: refTo('company', key) },
    ...(keyName === null ? [] : [{ from: self, kind: 'led_by' as const, to: refTo('person', personKey(keyName, key)) }]),
  ]
  return { ...self, attributes, aliases: awardAliases(fields), links }
}
