/**
 * Gathers the companies of a file. Rows that give the same strongest identifier (UEI, else DUNS, else name and state) are one
 * unit; which units are one company is decided when all are known (`company-resolution.ts`).
 */
import { type CompanyFacts, type CompanyFields, fingerprint, fullness } from './facts.ts'
import { FewStrings } from './few-strings.ts'

export type Unit = {
  readonly id: number
  /** `uei:…`, `duns:…` or `name:…|…`: its own identifier. */
  readonly own: string
  readonly uei: string | null
  readonly duns: FewStrings
  /** `NORMALIZED NAME|STATE`, all spellings. */
  readonly nameKeys: FewStrings
  /** The newest row; among rows of one day the one that knows most. */
  readonly newest: CompanyFacts
  /** The DUNS number of the newest row that has one. */
  readonly newestDuns: { readonly duns: string; readonly dated: number } | null
}

type MutableUnit = { -readonly [name in keyof Unit]: Unit[name] } & {
  contents: Set<number> | null
  firstContent: number
}

/** The strongest identifier of a row. */
export function ownIdentifier(facts: CompanyFacts): string {
  const parts = facts.uei !== null ? ['uei', facts.uei] : facts.duns !== null ? ['duns', facts.duns] : ['name', facts.nameKey]
  return parts.join(':')
}

const textOf = (fields: CompanyFields): string => JSON.stringify(fields)

/** Positive when `a` is the row to believe. Total over contents, so that the order of rows decides nothing. */
export function compareFacts(a: CompanyFacts, b: CompanyFacts): number {
  if (a.dated !== b.dated) return a.dated - b.dated
  const byFullness = fullness(a.fields) - fullness(b.fields)
  if (byFullness !== 0) return byFullness
  const [textA, textB] = [textOf(a.fields), textOf(b.fields)]
  return textA === textB ? 0 : textA < textB ? -1 : 1
}

/** Later first; on one day the smaller number. */
export function newerDuns(a: Unit['newestDuns'], b: Unit['newestDuns']): Unit['newestDuns'] {
  if (a === null || b === null) return a ?? b
  if (a.dated !== b.dated) return a.dated > b.dated ? a : b
  return a.duns <= b.duns ? a : b
}

export class CompanyRegister {
  readonly #units: MutableUnit[] = []
  readonly #byOwn = new Map<string, MutableUnit>()
  /** Rows beyond the first of a unit are told apart only where they are the subject of the file. */
  readonly #countRows: boolean
  #duplicates = { exact: 0, differing: 0 }

  constructor(options: { readonly countRows: boolean }) {
    this.#countRows = options.countRows
  }

  get units(): readonly Unit[] {
    return this.#units
  }

  /** Of rows about a company that another row speaks of already: `exact` say the same, `differing` do not. */
  get duplicates(): { readonly exact: number; readonly differing: number } {
    return this.#duplicates
  }

  add(facts: CompanyFacts): Unit {
    const own = ownIdentifier(facts)
    const known = this.#byOwn.get(own)
    const unit = known ?? this.#create(own, facts)
    if (known !== undefined && compareFacts(facts, unit.newest) > 0) unit.newest = facts
    unit.nameKeys.add(facts.nameKey)
    if (facts.duns !== null) {
      unit.duns.add(facts.duns)
      const known = unit.newestDuns
      if (known === null || known.duns !== facts.duns || known.dated < facts.dated)
        unit.newestDuns = newerDuns(known, { duns: facts.duns, dated: facts.dated })
    }
    if (this.#countRows) this.#count(unit, facts, known !== undefined)
    return unit
  }

  /** The unit of a row that was added before. */
  find(facts: CompanyFacts): Unit | undefined {
    return this.#byOwn.get(ownIdentifier(facts))
  }

  #create(own: string, facts: CompanyFacts): MutableUnit {
    const unit: MutableUnit = {
      id: this.#units.length,
      own,
      uei: facts.uei,
      duns: new FewStrings(),
      nameKeys: new FewStrings(),
      newest: facts,
      newestDuns: null,
      contents: null,
      firstContent: -1,
    }
    this.#units.push(unit)
    this.#byOwn.set(own, unit)
    return unit
  }

  #count(unit: MutableUnit, facts: CompanyFacts, isAgain: boolean): void {
    const content = fingerprint(facts.fields)
    if (!isAgain) {
      unit.firstContent = content
      return
    }
    unit.contents ??= new Set([unit.firstContent])
    if (unit.contents.has(content)) this.#duplicates.exact++
    else this.#duplicates.differing++
    unit.contents.add(content)
  }
}
