/** Which row stands for an award when several have its key: decided by what they say, never by their order. */
import type { AwardFacts } from './award-row.ts'
import { fingerprint, fullness } from './facts.ts'

export class AwardRegister {
  /** Half of the award's hash, as 16 bytes of text -> index: two of a million awards share it once in 10^26 files. */
  readonly #index = new Map<string, number>()
  readonly #lines: number[] = []
  /** What decides between rows: how many values are known, then the fingerprint of what they are. */
  readonly #ranks: number[] = []
  /** Ranks of all rows of an award that has several. */
  readonly #all = new Map<number, Set<number>>()
  #duplicates = { exact: 0, differing: 0 }

  get size(): number {
    return this.#lines.length
  }

  /** Of rows with the key of another row: `exact` say the same about the award, `differing` (grain collisions) do not. */
  get duplicates(): { readonly exact: number; readonly differing: number } {
    return this.#duplicates
  }

  /** Keeps the row that knows most; among equals the one whose content has the larger fingerprint. */
  add(facts: AwardFacts, line: number): void {
    const rank = fullness(facts.fields) * 2 ** 40 + fingerprint(facts.fields)
    const key = shortKey(facts.key)
    const at = this.#index.get(key)
    if (at === undefined) {
      this.#index.set(key, this.#lines.length)
      this.#lines.push(line)
      this.#ranks.push(rank)
      return
    }
    const ranks = this.#all.get(at) ?? new Set([this.#ranks[at]!])
    this.#all.set(at, ranks)
    if (ranks.has(rank)) this.#duplicates.exact++
    else this.#duplicates.differing++
    ranks.add(rank)
    if (rank <= this.#ranks[at]!) return
    this.#lines[at] = line
    this.#ranks[at] = rank
  }

  /** True for the row that stands for its award. */
  keeps(facts: AwardFacts, line: number): boolean {
    const at = this.#index.get(shortKey(facts.key))
    return at !== undefined && this.#lines[at] === line
  }
}

function shortKey(key: string): string {
  const at = key.indexOf(':') + 1
  return Buffer.from(key.slice(at, at + 32), 'hex').toString('latin1')
}
