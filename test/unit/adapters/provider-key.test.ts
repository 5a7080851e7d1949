import { expect, test } from 'vitest'
import { dlaCage } from '../../../ts/adapters/dla-cage.ts'
import { edgar } from '../../../ts/adapters/edgar.ts'
import { nih } from '../../../ts/adapters/nih.ts'
import { opencorporates } from '../../../ts/adapters/opencorporates.ts'
import { openfec } from '../../../ts/adapters/openfec.ts'
import { samExclusions } from '../../../ts/adapters/sam-exclusions.ts'
import { samGov } from '../../../ts/adapters/sam-gov.ts'
import { usaspending } from '../../../ts/adapters/usaspending.ts'
import { usptoOdp } from '../../../ts/adapters/uspto-odp.ts'

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

test.each([
  [edgar, '1010089', '0001010089'],
  [edgar, 'CIK0001010089', '0001010089'],
  [edgar, '12345678901', null],
  [edgar, '0', null],
  [dlaCage, ' 1abc2 ', '1ABC2'],
  [dlaCage, '1ABO2', null],
  [nih, '1 R43 AI123456-01A1', 'R43AI123456'],
  [nih, '75N91023C00012', null],
  [usptoOdp, '17/248,024', '17248024'],
  [usptoOdp, 'ACME ROBOTICS|MA', 'ACME ROBOTICS|MA'],
  [usptoOdp, 'name:*', null],
  [samExclusions, ' zqgghjh74dw7', 'ZQGGHJH74DW7'],
  [samExclusions, 'ZQGGHJH74DW', null],
  [opencorporates, 'https://opencorporates.com/companies/us_ca/C3268102', 'us_ca/C3268102'],
  [opencorporates, 'C3268102', null],
  [openfec, 'Acme Robotics, Inc.', 'ACME ROBOTICS'],
  [openfec, 'X', null],
] as const)('$0.id reads what a person writes: %s', (adapter, text, key) => {
  const read = adapter.readProviderKey!(text)
  if (key === null) expect(adapter.providerKeyProblem!(read)).not.toBeNull()
  else expect([read, adapter.providerKeyProblem!(read)]).toEqual([key, null])
})
