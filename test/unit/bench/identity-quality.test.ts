import { expect, test } from 'vitest'
import { identityQuality } from '../../../bench/support/identity-quality.ts'
import { identity, ref } from '../../support/builders.ts'

const RULE = { minConfidence: 0.8, minMargin: 0.05 }
const found = (key: string, providerKey: string, confidence: number, method = 'name') =>
  identity({ entity: ref(key), providerKey, confidence, method })

test('precision is of what counts, recall of what is to be found, both per method where there is one', () => {
  const truth = new Map([
    ['A', '1'],
    ['B', '2'],
    ['C', '3'],
    ['D', null],
  ])
  const quality = identityQuality(
    [
      found('A', '1', 0.9),
      found('B', '9', 0.9),
      found('C', '3', 0.7, 'initials'),
      found('D', '4', 0.95),
      found('E', '5', 1),
      found('A', '', 0),
    ],
    truth,
    RULE,
  )
  expect(quality).toEqual({
    methods: [
      { method: 'name', found: 3, counted: 3, right: 1, rightBelow: 0, recall: 1 / 3 },
      { method: 'initials', found: 1, counted: 0, right: 0, rightBelow: 1, recall: 0 },
    ],
    precision: 1 / 3,
    recall: 1 / 3,
    toBeFound: 3,
    counted: 3,
  })
  expect(identityQuality([], new Map(), RULE)).toMatchObject({ precision: 1, recall: 1 })
})
