import { describe, expect, test } from 'vitest'
import type { Candidate } from '../../../ts/adapters/adapter.ts'
import {
  chooseIdentity,
  countsAs,
  identityAdapter,
  identityReason,
  rankCandidates,
  ruleText,
} from '../../../ts/refresh/identity.ts'
import { withIdentityFollowUps, withIdentitySource } from '../../../ts/refresh/identity-source.ts'
import type { RunSource } from '../../../ts/refresh/run-partition.ts'
import { entity, identity } from '../../support/builders.ts'
import { fakeAdapter } from '../../support/fake-adapter.ts'
import { noCalls, view } from '../../support/fake-client.ts'
import { registerAdapter } from '../../support/fake-register.ts'

const RULE = { minConfidence: 0.85, minMargin: 0.05 }

function candidate(providerKey: string, confidence: number, method = 'name'): Candidate {
  return { providerKey, method, confidence, evidence: { of: providerKey } }
}

const alternative = (confidence: number) => ({ provider_key: 'B', confidence })

describe('countsAs', () => {
  test.each([
    ['at the threshold', 0.85, [], true],
    ['below it', 0.8499, [], false],
    ['ahead by the margin, sums of floats included', 0.95, [alternative(0.9)], true],
    ['ahead by less', 0.94, [alternative(0.9)], false],
    ['ahead of the best alternative, not of the first', 0.95, [alternative(0.2), alternative(0.93)], false],
    ['alternatives that say no confidence', 0.9, [{ id: 'x' }], true],
  ] as const)('%s', (_what, confidence, alternatives, expected) => {
    expect(countsAs(identity({ confidence, alternatives: [...alternatives] }), RULE)).toBe(expected)
  })

  test('what a user decided counts whatever the numbers say; what the source does not know never does', () => {
    expect(countsAs(identity({ confidence: 0.1, decidedBy: 'user', alternatives: [alternative(1)] }), RULE)).toBe(true)
    expect(countsAs(identity({ providerKey: '', confidence: 1, decidedBy: 'user' }), RULE)).toBe(false)
  })
})

describe('rankCandidates', () => {
  test('best first, each key once by its best match, nonsense left out', () => {
    const ranked = rankCandidates([
      candidate('B', 0.5),
      candidate('', 1),
      candidate('C', Number.NaN),
      candidate('A', 0.5),
      candidate('B', 7, 'exact'),
    ])
    expect(ranked.map(({ providerKey, confidence, method }) => [providerKey, confidence, method])).toEqual([
      ['B', 1, 'exact'],
      ['A', 0.5, 'name'],
      ['C', 0, 'name'],
    ])
  })
})

describe('chooseIdentity', () => {
  test('keeps five of the matches that were not taken', () => {
    const found = chooseIdentity({ candidates: Array.from({ length: 9 }, (_, index) => candidate(`K${index}`, 1 - index / 10)) })
    expect(found).toMatchObject({ providerKey: 'K0', confidence: 1, evidence: { of: 'K0' } })
    expect(found.alternatives?.map((other) => other['provider_key'])).toEqual(['K1', 'K2', 'K3', 'K4', 'K5'])
    expect(found.alternatives?.[0]).toMatchObject({ method: 'name', evidence: { of: 'K1' } })
  })

  test('without a candidate it is an empty key with the reason', () => {
    expect(chooseIdentity({ candidates: [], reason: 'nobody of that name' })).toEqual({
      providerKey: '',
      method: 'none',
      confidence: 0,
      evidence: { reason: 'nobody of that name' },
      alternatives: [],
    })
  })
})

describe('identityReason', () => {
  const adapter = registerAdapter()
  const subject = entity('uei:A')
  test.each([
    ['nobody asked', null, 'no identity yet: the identity pass has not asked'],
    ['it counts', identity(), null],
    [
      'unknown there',
      identity({ providerKey: '', confidence: 0, evidence: { reason: '' } }),
      'The register knows no such company',
    ],
    [
      'too unsure',
      identity({ providerKey: '7', confidence: 0.62 }),
      'the best match 7 has confidence 0.62, below 0.85; decide with: identities set --source register --entity company:uei:A --provider-key 7 --reason TEXT',
    ],
    [
      'two of them',
      identity({ providerKey: '7', confidence: 0.92, alternatives: [{ provider_key: '8', confidence: 0.9 }] }),
      'the best match 7 (confidence 0.92) is less than 0.05 ahead of 8 (0.9); decide with: identities set --source register --entity company:uei:A --provider-key 7 --reason TEXT',
    ],
  ])('%s', (_what, stored, expected) => expect(identityReason(adapter, subject, stored, RULE)).toBe(expected))

  test('what cannot be looked for is said so', () => {
    expect(identityReason(adapter, entity('uei:A', { name: null }), null, RULE)).toBe(
      'no identity: no name; decide with: identities set --source register --entity company:uei:A --provider-key KEY --reason TEXT',
    )
  })

  test('a source that finds none says how one is set', () => {
    const { resolve: _resolve, ...unaided } = adapter
    expect(identityReason(unaided, subject, null, RULE)).toBe(
      'no identity yet: The register can only be asked by its own key; decide with: identities set --source register --entity company:uei:A --provider-key KEY --reason TEXT',
    )
  })
})

describe('the source that finds identities', () => {
  const adapter = registerAdapter({ reads: ['other'], hostGone: 'gone' })
  const derived = identityAdapter(adapter, RULE)!
  const context = { now: 0, options: {} }
  const target = {
    entity: entity('uei:A', { name: 'Acme', state: 'MA' }),
    providerKey: null,
    validators: { etag: null, lastModified: null },
  }

  test('is a look-up over the questions of the adapter, under a name of its own', () => {
    expect(derived).toMatchObject({
      id: 'register_identity',
      resolvesFor: 'register',
      normalizerVersion: 1,
      entityKinds: ['company'],
      reads: ['other'],
      hostGone: 'gone',
    })
    expect(derived.cohort.name(target.entity)).toBe('name_batch')
    expect(derived.unresolvable(entity('uei:B', { name: null }))).toBe('no name')
    expect(derived.lookup!.request(target, context)).toMatchObject({ label: 'search' })
    const found = view({ found: [{ number: '7', name: 'Acme Inc', state: 'MA' }] })
    expect(derived.lookup!.more!([found], target, context)).toBeNull()
    expect(derived.lookup!.parse(found, target, context)).toMatchObject({
      kind: 'record',
      entity: { kind: 'company', key: 'uei:A' },
      record: { status: 'resolved', provider_key: '7', method: 'name+state', confidence: 1, candidates: 1 },
      identity: { providerKey: '7', evidence: { similarity: 1 } },
    })
  })

  test('is derived once, and only from adapters that find identities', () => {
    expect(identityAdapter(derived, RULE)).toBeNull()
    expect(identityAdapter(fakeAdapter(), RULE)).toBeNull()
    expect(() => identityAdapter({ ...adapter, id: 'a'.repeat(39) }, RULE)).toThrow('too long')
  })

  test('shares client and quota with its source, has policy of its own, and follows first records of what it reads', () => {
    const main: RunSource = {
      adapter,
      client: noCalls,
      options: {},
      policy: {
        enabled: true,
        cadenceMs: 1,
        slaMs: 2,
        windowMs: 3,
        batchSize: 4,
        rules: [{ quotaPartition: 'key', kind: 'slots', limit: 1, perMs: 1 }],
        maxParallelRequests: 5,
        cohortSize: 6,
        coverageThreshold: 0.7,
      },
      followUps: [],
      downUntil: async () => null,
    }
    const settings = {
      enabled: true,
      cadenceMs: 90,
      slaMs: 180,
      rule: RULE,
      cohortSize: 50,
      maxParallelRequests: null,
      coverageThreshold: 0.9,
    }
    const [judged, found] = withIdentitySource(main, settings)
    expect(judged).toEqual({ ...main, identity: RULE })
    expect(found?.client).toBe(main.client)
    expect(found?.policy).toEqual({
      ...main.policy,
      cadenceMs: 90,
      slaMs: 180,
      cohortSize: 50,
      batchSize: 1,
      coverageThreshold: 0.9,
    })
    expect(withIdentitySource(main, { ...settings, enabled: false })).toEqual([judged])
    expect(withIdentitySource({ ...main, adapter: fakeAdapter() }, settings)).toHaveLength(1)
    const other = { ...main, adapter: fakeAdapter([], { id: 'other' }) }
    const [wired] = withIdentityFollowUps([other, judged!, found!])
    expect(wired?.followUps).toMatchObject([{ kinds: ['created', 'returned'], source: 'register_identity' }])
    const paths = { other: ['$.name'], third: ['$.state', '$.offices[*].city'] }
    const depending = { ...found!, adapter: { ...found!.adapter, resolve: { ...adapter.resolve!, dependsOn: paths } } }
    const third = { ...main, adapter: fakeAdapter([], { id: 'third' }) }
    const rules = withIdentityFollowUps([other, third, judged!, depending]).map(({ followUps }) => followUps)
    expect(rules).toMatchObject([
      [
        { kinds: ['created', 'returned'], paths: [] },
        { kinds: ['changed'], paths: ['$.name'], source: 'register_identity', reason: 'what other says of it changed' },
      ],
      // It is not read, but says what the entity's own attributes are.
      [{ kinds: ['changed'], paths: ['$.state', '$.offices[*].city'], source: 'register_identity' }],
      [],
      [],
    ])
  })
})

test('the rule has a text that changes with it', () => {
  expect(ruleText(RULE)).not.toBe(ruleText({ ...RULE, minMargin: 0 }))
  expect(ruleText(RULE)).toBe(ruleText({ ...RULE }))
})
