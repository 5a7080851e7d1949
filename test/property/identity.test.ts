import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Candidate } from '../../ts/adapters/adapter.ts'
import { companyNameKey, companyNameSimilarity, personNameParts, personNameSimilarity } from '../../ts/adapters/shared/names.ts'
import type { Identity } from '../../ts/model/entity.ts'
import { buildCommit, judge } from '../../ts/refresh/commit-batch.ts'
import { chooseIdentity, countsAs, rankCandidates } from '../../ts/refresh/identity.ts'
import { identity, workItem } from '../support/builders.ts'
import { registerAdapter } from '../support/fake-register.ts'

const share = fc.double({ min: 0, max: 1, noNaN: true })
const candidate: fc.Arbitrary<Candidate> = fc.record({
  providerKey: fc.constantFrom('', 'A', 'B', 'C', 'D', 'E', 'F', 'G'),
  method: fc.constantFrom('name', 'name+state', 'exact'),
  confidence: fc.oneof(share, fc.constantFrom(0, 0.85, 0.9, 1)),
  evidence: fc.constant({}),
})
const candidates = fc.array(candidate, { maxLength: 12 })
const rule = fc.record({ minConfidence: share, minMargin: share })

const stored = (list: readonly Candidate[], decidedBy: Identity['decidedBy'] = 'computed'): Identity => {
  const { providerKey, method, confidence, evidence, alternatives = [] } = chooseIdentity({ candidates: list })
  return identity({ providerKey, method, confidence, evidence, alternatives, decidedBy })
}

describe('identities', () => {
  test('the order in which candidates are listed says nothing', () => {
    const shuffled = candidates.chain((list) =>
      fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
    )
    fc.assert(
      fc.property(shuffled, ([list, other]) => {
        expect(chooseIdentity({ candidates: other })).toEqual(chooseIdentity({ candidates: list }))
      }),
    )
  })

  test('what counts reaches the threshold and is ahead by the margin; stricter rules accept no more', () => {
    fc.assert(
      fc.property(candidates, rule, rule, (list, loose, other) => {
        const found = stored(list)
        const [best, next] = rankCandidates(list)
        const counts = countsAs(found, loose)
        if (best === undefined) expect(counts).toBe(false)
        else if (counts) {
          expect(best.confidence).toBeGreaterThanOrEqual(loose.minConfidence - 1e-6)
          expect(best.confidence - (next?.confidence ?? 0)).toBeGreaterThanOrEqual(loose.minMargin - 1e-6)
        }
        const strict = {
          minConfidence: Math.max(loose.minConfidence, other.minConfidence),
          minMargin: Math.max(loose.minMargin, other.minMargin),
        }
        if (countsAs(found, strict)) expect(counts).toBe(true)
      }),
    )
  })

  test('a user outranks: whatever the rule, and whatever is computed later', () => {
    const adapter = registerAdapter()
    fc.assert(
      fc.property(candidates, rule, candidate, (list, anyRule, later) => {
        const found = { ...stored(list, 'user'), providerKey: 'MINE' }
        expect(countsAs(found, anyRule)).toBe(true)
        const item = workItem('uei:A', {}, { identity: found })
        const { method, confidence, evidence } = later
        const answer = {
          kind: 'record' as const,
          entity: item.entry.entity,
          record: { n: 1 },
          identity: { providerKey: 'OTHER', method, confidence, evidence },
        }
        const { identities, events, pending } = buildCommit({
          adapter,
          judged: [judge(adapter, item, answer, 200)],
          oldRecords: new Map(),
          followUps: [],
          runId: 'run_1',
          now: 1,
          askAmbiguousAgainMs: 1,
        })
        expect([identities, pending]).toEqual([[], []])
        expect(events.map((event) => [event.confidence, event.confidenceMethod])).toEqual([[found.confidence, found.method]])
      }),
    )
  })
})

const word = fc.constantFrom(
  'Acme',
  'Photonics',
  'Photonix',
  'Blue',
  'Sky',
  'Labs',
  'Technologies',
  'Tech',
  'Inc.',
  'LLC',
  'The',
  '3',
  'Ørsted',
  '&',
)
const companyName = fc.oneof(
  fc.array(word, { maxLength: 6 }).map((words) => words.join(' ')),
  fc.string({ unit: 'grapheme' }),
)
const personName = fc.oneof(
  fc
    .array(fc.constantFrom('Jane', 'J.', 'Doe', 'van', 'der', 'Berg', 'O’Neil', 'PhD', 'Jr.', 'Dr.', ',', 'Núñez'), {
      maxLength: 6,
    })
    .map((words) => words.join(' ')),
  fc.string({ unit: 'grapheme' }),
)

describe('names', () => {
  test('are alike both ways, between 0 and 1, and quite so only when the key is one', () => {
    fc.assert(
      fc.property(companyName, companyName, (a, b) => {
        const similarity = companyNameSimilarity(a, b)
        expect(companyNameSimilarity(b, a)).toBe(similarity)
        expect(similarity).toBeGreaterThanOrEqual(0)
        expect(similarity).toBeLessThanOrEqual(1)
        const same = companyNameKey(a) !== '' && companyNameKey(a) === companyNameKey(b)
        expect(similarity === 1).toBe(same)
        expect(companyNameKey(companyNameKey(a))).toBe(companyNameKey(a))
      }),
      { numRuns: 500 },
    )
  })

  test('of persons, too', () => {
    fc.assert(
      fc.property(personName, personName, (a, b) => {
        const similarity = personNameSimilarity(a, b)
        expect(personNameSimilarity(b, a)).toBe(similarity)
        expect(similarity).toBeGreaterThanOrEqual(0)
        expect(similarity).toBeLessThanOrEqual(1)
        const { given, family } = personNameParts(a)
        if (given !== '' && family !== '') expect(personNameSimilarity(a, a)).toBe(1)
      }),
      { numRuns: 500, examples: [['Núñez J.', 'J. Núñez']] },
    )
  })
})
