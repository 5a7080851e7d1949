/** How right found identities are, against what a sandbox's world knows to be true. Pure. */
import type { Identity } from '../../ts/model/entity.ts'
import { countsAs, type IdentityRule } from '../../ts/refresh/identity.ts'

export type MethodQuality = {
  readonly method: string
  /** Identities found this way, whether they count or not. */
  readonly found: number
  /** Of these, those that count. */
  readonly counted: number
  /** Of those that count, those that are true. */
  readonly right: number
  /** True ones that do not count: a person has to decide. */
  readonly rightBelow: number
  /** Share of all that is to be found, by whatever method, that this one found, and that counts; 1 when there is nothing. */
  readonly recall: number
}

export type Quality = {
  readonly methods: readonly MethodQuality[]
  /** Share of what counts that is true; 1 when nothing counts. */
  readonly precision: number
  /** Share of what is to be found that is found, and counts; 1 when there is nothing. */
  readonly recall: number
  readonly toBeFound: number
  readonly counted: number
}

/** `truth`: the provider's key per entity key; null where it does not have the entity. Entities that it does not name are left out. */
export function identityQuality(
  identities: readonly Identity[],
  truth: ReadonlyMap<string, string | null>,
  rule: IdentityRule,
): Quality {
  const methods = new Map<string, { found: number; counted: number; right: number; rightBelow: number }>()
  let right = 0
  let counted = 0
  for (const identity of identities) {
    const expected = truth.get(identity.entity.key)
    if (expected === undefined || identity.providerKey === '') continue
    const row = methods.get(identity.method) ?? { found: 0, counted: 0, right: 0, rightBelow: 0 }
    methods.set(identity.method, row)
    row.found += 1
    const isRight = identity.providerKey === expected
    if (!countsAs(identity, rule)) {
      if (isRight) row.rightBelow += 1
      continue
    }
    row.counted += 1
    counted += 1
    if (!isRight) continue
    row.right += 1
    right += 1
  }
  const toBeFound = [...truth.values()].filter((key) => key !== null).length
  const recall = (found: number): number => (toBeFound === 0 ? 1 : found / toBeFound)
  return {
    methods: [...methods]
      .map(([method, row]) => ({ method, ...row, recall: recall(row.right) }))
      .sort((a, b) => b.found - a.found),
    precision: counted === 0 ? 1 : right / counted,
    recall: recall(right),
    toBeFound,
    counted,
  }
}
