import { expect, test } from 'vitest'
import { samGov } from '../../../ts/adapters/sam-gov.ts'
import { usaspending } from '../../../ts/adapters/usaspending.ts'

test.each([
  [samGov, 'ZQGGHJH74DW7', true],
  [samGov, 'ZQGGHJH74DW7+0001', true],
  [samGov, 'foo~bar]&x', false],
  [samGov, 'ZQGGHJH74DW7+a&b', false],
  [usaspending, 'CONT_AWD_FA865114C0132_9700_-NONE-_-NONE-', true],
  [usaspending, 'ASST_NON_R43ES551675_7529', true],
  [usaspending, '../../x?y=1', false],
  [usaspending, 'CONT_AWD_../../x?y=1', false],
])('$0.id takes a key for what it is: %s %s', (adapter, key, isKey) => {
  const problem = adapter.providerKeyProblem!(key)
  expect(problem === null).toBe(isKey)
  expect(problem ?? '').not.toContain(key)
})
