/** What changed between two moments in what a provider serves: the truth that deltas are judged by. */
import type { JsonObject, JsonValue } from '../model/json.ts'
import { type EpochMs, toIso } from '../model/time.ts'
import { dayText } from './world/awards.ts'
import { edgarWorld, nameAt } from './world/edgar-world.ts'
import type { Step } from './world/evolution.ts'
import { fecWorld } from './world/fec-world.ts'
import { peopleWorld } from './world/people-world.ts'
import { registryWorld } from './world/registry-world.ts'
import type { World } from './world/world.ts'

/** Member of a state -> name and value of the provider's field. */
type Names = Readonly<Record<string, readonly [string, (value: never) => JsonValue]>>

const FEDERAL: Names = {
  amountCents: ['Award Amount', (cents: number) => cents / 100],
  ends: ['End Date', dayText],
  description: ['Description', (text: string) => text],
  lastModified: ['Last Modified Date', dayText],
}
const REGISTRATION: Names = {
  legalName: ['legalBusinessName', (text: string) => text],
  dbaName: ['dbaName', (text: string | null) => text],
  address1: ['addressLine1', (text: string) => text],
  zip4: ['zipCodePlus4', (text: string) => text],
  cage: ['cageCode', (text: string | null) => text],
  excluded: ['exclusionStatusFlag', (value: boolean) => (value ? 'Y' : 'N')],
  active: ['registrationStatus', (value: boolean) => (value ? 'Active' : 'Inactive')],
  submitted: ['submissionDate', dayText],
  activated: ['activationDate', dayText],
  expires: ['registrationExpirationDate', dayText],
  lastUpdate: ['lastUpdateDate', dayText],
}
const COMPANY: Names = {
  address1: ['Address1', (text: string) => text],
  address2: ['Address2', (text: string) => text],
  website: ['Company Website', (text: string) => text],
  employees: ['Number Employees', (count: number | null) => count],
  hubzone: ['HUBZone Owned', (value: boolean) => (value ? 'Y' : 'N')],
  womanOwned: ['Woman Owned', (value: boolean) => (value ? 'Y' : 'N')],
  contact: ['Contact Name', (text: string) => text],
}
const AWARD: Names = { amountCents: FEDERAL['amountCents']!, ends: ['Contract End Date', dayText] }

/** Fields that differ between the first state before and the last state after; null when nothing visible does. */
function net<State extends object>(steps: readonly Step<State>[], names: Names): JsonObject[] | null {
  if (steps.length === 0) return null
  const before = steps[0]!.before as Readonly<Record<string, unknown>>
  const after = steps[steps.length - 1]!.after as Readonly<Record<string, unknown>>
  const changes = Object.entries(names)
    .filter(([key]) => before[key] !== after[key])
    .map(([key, [field, show]]) => ({ field, old: show(before[key] as never), new: show(after[key] as never) }))
  return changes.length === 0 ? null : changes
}

/** `appeared` has no fields: the provider did not show the entity before. */
export type WorldChange = {
  readonly key: string
  readonly kind: 'changed' | 'appeared'
  readonly at: string
  readonly fields: readonly JsonObject[]
}

function changed<State extends object>(key: string, steps: readonly Step<State>[], names: Names): WorldChange[] {
  const fields = net(steps, names)
  return fields === null ? [] : [{ key, kind: 'changed', at: toIso(steps[steps.length - 1]!.at), fields }]
}

function usaspendingChanges(world: World, since: EpochMs, until: EpochMs): WorldChange[] {
  const from = world.usaspending.loadedAt(since)
  const to = world.usaspending.loadedAt(until)
  return world.usaspending.all(to).flatMap((award): WorldChange[] => {
    if (award.visibleFrom > to) return []
    if (award.visibleFrom > from) return [{ key: award.id, kind: 'appeared', at: toIso(award.visibleFrom), fields: [] }]
    return changed(award.id, world.usaspending.evolution.steps(award.index, from, to), FEDERAL)
  })
}

function samChanges(world: World, since: EpochMs, until: EpochMs): WorldChange[] {
  return world.sam.companies.flatMap((company) =>
    changed(company.uei!, world.sam.evolution.steps(company.index, since, until), REGISTRATION),
  )
}

function sbirChanges(world: World, since: EpochMs, until: EpochMs): WorldChange[] {
  const from = world.sbir.publishedAt(since)
  const to = world.sbir.publishedAt(until)
  const companies = world.companies.flatMap((company) =>
    changed(company.ueiListed ? company.uei! : company.name, world.sbir.companyEvolution.steps(company.index, from, to), COMPANY),
  )
  const awards = world.sbir.awardsUntil(to).flatMap((award): WorldChange[] => {
    const key = award.tracking || award.contract
    if (award.listedAt > to) return []
    if (award.listedAt > from) return [{ key, kind: 'appeared', at: toIso(award.listedAt), fields: [] }]
    return changed(key, world.sbir.awardEvolution.steps(award.index, from, to), AWARD)
  })
  return [...companies, ...awards]
}

const RESEARCHER: Names = {
  works: ['works', (days: readonly number[]) => days.length],
  employments: ['employments', (list: readonly object[]) => list.length],
  keywords: ['keywords', (words: readonly string[]) => [...words]],
  fundings: ['fundings', (count: number) => count],
  deactivated: ['deactivated', (value: boolean) => value],
}
/** What an author shows of the same person. */
const AUTHOR: Names = { works: RESEARCHER['works']!, employments: RESEARCHER['employments']! }

function peopleChanges(names: Names, authorsOnly: boolean): (world: World, since: EpochMs, until: EpochMs) => WorldChange[] {
  return (world, since, until) => {
    const people = world.part(peopleWorld)
    return [...people.profiles(until)].flatMap((profile): WorldChange[] => {
      if (authorsOnly && profile.author === null) return []
      if (profile.visibleFrom > since)
        return [{ key: profile.orcid, kind: 'appeared', at: toIso(profile.visibleFrom), fields: [] }]
      return changed(profile.orcid, people.evolution.steps(profile.index, since, until), names)
    })
  }
}

/** Contributions that were loaded, by company; that one was loaded again is no change. */
function fecChanges(world: World, since: EpochMs, until: EpochMs): WorldChange[] {
  const fec = world.part(fecWorld)
  return world.companies.flatMap((company): WorldChange[] => {
    const steps = fec.evolution.steps(company.index, since, until)
    const [before, after] = [steps[0]?.before.length ?? 0, steps.at(-1)?.after.length ?? 0]
    if (steps.length === 0 || before === after) return []
    const fields = [{ field: 'contributions', old: before, new: after }]
    return [{ key: company.name, kind: 'changed', at: toIso(steps.at(-1)!.at), fields }]
  })
}

const REGISTRATION_ENTRY: Names = {
  name: ['name', (text: string) => text],
  inactive: ['inactive', (value: boolean) => value],
  status: ['current_status', (text: string) => text],
  dissolvedOn: ['dissolution_date', (day: number | null) => (day === null ? null : dayText(day))],
  street: ['registered_address', (text: string) => text],
  officers: ['officers', (list: readonly object[]) => list.length],
  owners: ['owners', (list: readonly object[]) => list.length],
}

function registryChanges(world: World, since: EpochMs, until: EpochMs): WorldChange[] {
  const registry = world.part(registryWorld)
  return registry.registrations.flatMap(({ index, jurisdiction, number }) =>
    changed(`${jurisdiction}/${number}`, registry.evolution.steps(index, since, until), REGISTRATION_ENTRY),
  )
}

/** What a filer filed, and the name that it took. */
function edgarChanges(world: World, since: EpochMs, until: EpochMs): WorldChange[] {
  return world.part(edgarWorld).all.flatMap((filer): WorldChange[] => {
    const filed = filer.filings.filter(({ at }) => at <= until)
    const before = filed.filter(({ at }) => at <= since).length
    const last = filed.at(-1)
    if (last === undefined || filed.length === before) return []
    if (before === 0) return [{ key: filer.cik, kind: 'appeared', at: toIso(filed[0]!.at), fields: [] }]
    const [oldName, newName] = [nameAt(filer, since), nameAt(filer, until)]
    const fields = [
      { field: 'filings', old: before, new: filed.length },
      ...(oldName === newName ? [] : [{ field: 'name', old: oldName, new: newName }]),
    ]
    return [{ key: filer.cik, kind: 'changed', at: toIso(last.at), fields }]
  })
}

/** By source; each compares what is served at `since` with what is served at `until`. */
export const CHANGES_BY_SOURCE: Readonly<Record<string, (world: World, since: EpochMs, until: EpochMs) => WorldChange[]>> = {
  usaspending: usaspendingChanges,
  sam_gov: samChanges,
  sbir_gov: sbirChanges,
  edgar: edgarChanges,
  opencorporates: registryChanges,
  orcid: peopleChanges(RESEARCHER, false),
  openalex: peopleChanges(AUTHOR, true),
  openfec: fecChanges,
}
