/**
 * Decides which units of a file are one company, and which company of the store that is. Pure and set-wise: the order of
 * rows decides nothing, and the same file decides the same again after it was stored.
 *
 * A company never changes its key and two UEIs are never one company. Beyond that, strongest evidence first: a unit is the
 * company that has its own identifier; without one, a unit joins by DUNS, then by name and state, and only where exactly one
 * company can be meant and exactly one unit wants it. Everything ambiguous stays apart, and is counted.
 */
import type { Unit } from './company-register.ts'
import { FewStrings, StringIndex } from './few-strings.ts'

/** A company as the store knows it. */
export type StoredCompany = {
  readonly key: string
  readonly uei: string | null
  /** The one among its attributes. */
  readonly mainDuns: string | null
  readonly duns: FewStrings
  readonly nameKeys: FewStrings
  readonly name: string | null
  readonly domain: string | null
  /** The award date that its attributes are of, as `CompanyFacts.dated`; 0 when unknown. */
  readonly dated: number
}
/** Companies of the store by any of their identifiers (`uei:…`, `duns:…`, `name:…|…`). */
export type StoredCompanies = ReadonlyMap<string, readonly StoredCompany[]>

/** `stored`: it was known before this file. */
export type ResolvedCompany = { readonly key: string; readonly units: readonly Unit[]; readonly stored: StoredCompany | null }
export type Resolution = {
  readonly companies: readonly ResolvedCompany[]
  /** Company of a unit, by the unit's id. */
  readonly companyOf: readonly ResolvedCompany[]
  readonly joinedByDuns: number
  readonly joinedByName: number
  /** Units that could be one of several companies and were kept apart. */
  readonly ambiguous: number
}

const unionOf = (sets: Iterable<Iterable<string>>): FewStrings => {
  const all = new FewStrings()
  for (const set of sets) for (const value of set) all.add(value)
  return all
}
const onlyOne = <T>(values: readonly T[]): T | null => (values.length === 1 ? values[0]! : null)
const overlap = (a: FewStrings, b: FewStrings): boolean => [...a].some((value) => b.has(value))

function addClaim(claims: Map<string, Unit[]>, key: string, unit: Unit): void {
  const claimants = claims.get(key)
  if (claimants === undefined) claims.set(key, [unit])
  else claimants.push(unit)
}

export function resolveCompanies(units: readonly Unit[], stored: StoredCompanies): Resolution {
  return new Resolver(units, stored).resolve()
}

class Resolver {
  readonly #units: readonly Unit[]
  readonly #stored: StoredCompanies
  /** Unit id -> key of its company. */
  readonly #keys: (string | null)[]
  /** UEIs whose company, in file or store, has the DUNS number, or the name. */
  readonly #ueisByDuns = new StringIndex()
  readonly #ueisByName = new StringIndex()
  readonly #dunsOfUei = new StringIndex()
  readonly #keyOfUei = new Map<string, string>()
  #joinedByDuns = 0
  #joinedByName = 0
  #ambiguous = 0

  constructor(units: readonly Unit[], stored: StoredCompanies) {
    this.#units = units
    this.#stored = stored
    this.#keys = units.map(() => null)
    for (const companies of stored.values()) {
      for (const company of companies) {
        if (company.uei === null) continue
        this.#know(company.uei, company)
        this.#keyOfUei.set(company.uei, company.key)
      }
    }
    for (const unit of units) if (unit.uei !== null) this.#know(unit.uei, unit)
  }

  #know(uei: string, company: Pick<StoredCompany, 'duns' | 'nameKeys'>): void {
    for (const number of company.duns) {
      this.#ueisByDuns.add(number, uei)
      this.#dunsOfUei.add(uei, number)
    }
    for (const nameKey of company.nameKeys) this.#ueisByName.add(nameKey, uei)
  }

  resolve(): Resolution {
    const withUei = this.#units.filter((unit) => unit.uei !== null)
    const withDuns = this.#units.filter((unit) => unit.uei === null && unit.duns.size > 0)
    const named = this.#units.filter((unit) => unit.uei === null && unit.duns.size === 0)
    this.#resolveUeis(withUei)
    this.#resolveDuns(withDuns)
    this.#resolveNames(named)
    return this.#result()
  }

  #lookup(identifier: string): readonly StoredCompany[] {
    return this.#stored.get(identifier) ?? []
  }

  /** The company whose own identifier it is, or else the only one that is known by it. */
  #owner(identifier: string): StoredCompany | null {
    const companies = this.#lookup(identifier)
    return companies.find((company) => company.key === identifier) ?? onlyOne(companies)
  }

  #resolveUeis(units: readonly Unit[]): void {
    const claims = new Map<string, Unit[]>()
    const claimedBy = new Map<Unit, StoredCompany>()
    for (const unit of units) {
      const owner = this.#owner(unit.own)
      if (owner !== null) {
        this.#keys[unit.id] = owner.key
        continue
      }
      const claimed = this.#withoutUei(unit)
      if (claimed === null) continue
      addClaim(claims, claimed.key, unit)
      claimedBy.set(unit, claimed)
    }
    this.#grant(claims)
    for (const unit of units) {
      if (this.#keys[unit.id] !== null && claimedBy.has(unit)) this.#know(unit.uei!, claimedBy.get(unit)!)
      this.#keys[unit.id] ??= unit.own
      this.#keyOfUei.set(unit.uei!, this.#keys[unit.id]!)
    }
  }

  /** The stored company without a UEI that this unit gives one to. */
  #withoutUei(unit: Unit): StoredCompany | null {
    const candidates = (identifiers: Iterable<string>, prefix: string, ueis: StringIndex): readonly StoredCompany[] => {
      const certain = [...identifiers].filter((identifier) => ueis.get(identifier).only !== null)
      return [...new Set(certain.flatMap((identifier) => this.#lookup(prefix + identifier)))].filter(
        (company) => company.uei === null,
      )
    }
    const byDuns = candidates(unit.duns, 'duns:', this.#ueisByDuns)
    if (byDuns.length > 0) return this.#single(byDuns)
    const byName = candidates(unit.nameKeys, 'name:', this.#ueisByName)
    return this.#single(
      byName.filter((company) => company.duns.size === 0 || unit.duns.size === 0 || overlap(company.duns, unit.duns)),
    )
  }

  #single<T>(candidates: readonly T[]): T | null {
    if (candidates.length > 1) this.#ambiguous++
    return onlyOne(candidates)
  }

  /** Gives each company to the unit that wants it, when no other unit does. */
  #grant(claims: ReadonlyMap<string, readonly Unit[]>): number {
    let granted = 0
    for (const [key, claimants] of claims) {
      const [unit, ...others] = claimants
      if (others.length > 0) {
        this.#ambiguous += claimants.length
        continue
      }
      this.#keys[unit!.id] = key
      granted++
    }
    return granted
  }

  #resolveDuns(units: readonly Unit[]): void {
    const claims = new Map<string, Unit[]>()
    for (const unit of units) {
      const [duns] = unit.duns
      const ueis = this.#ueisByDuns.get(duns!)
      const own = this.#lookup(unit.own).find((company) => company.key === unit.own)
      const uei = ueis.only
      if (own !== undefined) this.#keys[unit.id] = own.key
      else if (uei !== null) {
        this.#keys[unit.id] = this.#keyOfUei.get(uei)!
        this.#joinedByDuns++
      } else if (ueis.size > 1) this.#ambiguous++
      else {
        const key = onlyOne(this.#lookup(unit.own))?.key ?? this.#byName(unit)
        if (key !== null) addClaim(claims, key, unit)
      }
    }
    this.#joinedByName += this.#grant(claims)
    for (const unit of units) this.#keys[unit.id] ??= unit.own
  }

  /** The company without any DUNS number that has one of the unit's names: one with a UEI, else one known by name only. */
  #byName(unit: Unit): string | null {
    const ueis = unionOf([...unit.nameKeys].map((nameKey) => this.#ueisByName.get(nameKey)))
    if (ueis.size > 0) {
      const uei = this.#single([...ueis])
      return uei === null || this.#dunsOfUei.get(uei).size > 0 ? null : this.#keyOfUei.get(uei)!
    }
    const nameless = [...unit.nameKeys]
      .flatMap((nameKey) => this.#lookup(`name:${nameKey}`))
      .filter((company) => company.uei === null && company.duns.size === 0)
    return this.#single([...new Set(nameless)])?.key ?? null
  }

  #resolveNames(units: readonly Unit[]): void {
    const keysByName = new StringIndex()
    for (const unit of this.#units) {
      const key = this.#keys[unit.id] ?? null
      if (key !== null) for (const nameKey of unit.nameKeys) keysByName.add(nameKey, key)
    }
    for (const unit of units) {
      const [nameKey] = unit.nameKeys
      const stored = this.#lookup(unit.own).map((company) => company.key)
      const holders = unionOf([keysByName.get(nameKey!), stored])
      const key = holders.has(unit.own) ? unit.own : this.#single([...holders])
      if (key !== null && key !== unit.own) this.#joinedByName++
      this.#keys[unit.id] = key ?? unit.own
    }
  }

  #result(): Resolution {
    const storedByKey = new Map<string, StoredCompany>()
    for (const companies of this.#stored.values()) for (const company of companies) storedByKey.set(company.key, company)
    const byKey = new Map<string, { key: string; units: Unit[]; stored: StoredCompany | null }>()
    const companyOf: ResolvedCompany[] = []
    for (const unit of this.#units) {
      const key = this.#keys[unit.id]!
      let company = byKey.get(key)
      if (company === undefined) {
        company = { key, units: [], stored: storedByKey.get(key) ?? null }
        byKey.set(key, company)
      }
      company.units.push(unit)
      companyOf.push(company)
    }
    return {
      companies: [...byKey.values()],
      companyOf,
      joinedByDuns: this.#joinedByDuns,
      joinedByName: this.#joinedByName,
      ambiguous: this.#ambiguous,
    }
  }
}
