/** Gathers the principal investigators of a file: one person is a normalized name at a company. */
import { normalizePersonName } from '../adapters/shared/names.ts'

const MAX_NAME = 200

/** Of several spellings the longest, then the first by code units: neither dates nor the order of rows change it. */
export function preferred(a: string, b: string): string {
  return a.length !== b.length ? (a.length > b.length ? a : b) : a <= b ? a : b
}

/** The name a person's key is made of; null when the text is no name. */
export function personKeyName(name: string | null): string | null {
  if (name === null || name.length > MAX_NAME) return null
  const normalized = normalizePersonName(name)
  return normalized === '' ? null : normalized
}

export type CompanyPerson<C> = { readonly keyName: string; readonly name: string; readonly company: C }

export class PersonRegister {
  /** `unit id|normalized name` -> spelling. One Map: tens of thousands of small ones take more memory than what they hold. */
  readonly #names = new Map<string, string>()

  get size(): number {
    return this.#names.size
  }

  add(unitId: number, name: string | null): void {
    const keyName = personKeyName(name)
    if (name === null || keyName === null) return
    // Joined, not added: text that is added is kept as its parts, at twice the memory.
    const at = [unitId, keyName].join('|')
    const known = this.#names.get(at)
    if (known === undefined || (known !== name && preferred(known, name) === name)) this.#names.set(at, name)
  }

  /** All persons of the companies that units turned out to be; one who is in several units of a company comes once. */
  *ofCompanies<C extends { readonly units: readonly unknown[] }>(companyOf: (unitId: number) => C): Generator<CompanyPerson<C>> {
    const joined = new Map<C, Map<string, string>>()
    for (const [at, name] of this.#names) {
      const bar = at.indexOf('|')
      const company = companyOf(Number(at.slice(0, bar)))
      const keyName = at.slice(bar + 1)
      if (company.units.length === 1) {
        yield { keyName, name, company }
        continue
      }
      const own = joined.get(company) ?? new Map<string, string>()
      const known = own.get(keyName)
      joined.set(company, own.set(keyName, known === undefined ? name : preferred(known, name)))
    }
    for (const [company, own] of joined) for (const [keyName, name] of own) yield { keyName, name, company }
  }
}
