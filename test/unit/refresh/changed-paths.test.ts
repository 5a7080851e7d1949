import { expect, test } from 'vitest'
import { touches } from '../../../ts/refresh/changed-paths.ts'

test.each([
  ['$.name', '$.name', true],
  ['$.name', '$.names', false],
  ['$.names', '$.name', false],
  ['$.name.given', '$.name', true],
  ['$.employments[3]', '$.employments', true],
  // A list element that came or went, or a whole part that did, takes its members with it.
  ['$.registrations[entityEFTIndicator=]', '$.registrations[*].cageCode', true],
  ['$.registrations', '$.registrations[*].cageCode', true],
  ['$', '$.registrations[*].cageCode', true],
  ['$.registrations[entityEFTIndicator=0001].cageCode', '$.registrations[*].cageCode', true],
  ['$.registrations[entityEFTIndicator=0001].status', '$.registrations[*].cageCode', false],
  ['$.registrations[entityEFTIndicator=].cageCode', '$.registrations[entityEFTIndicator=].cageCode', true],
  ['$.registrations[entityEFTIndicator=1].cageCode', '$.registrations[entityEFTIndicator=].cageCode', false],
  // Keys are the provider's: dots in them are no members.
  ['$.filings[accession_number=a.b.name]', '$.filings[*].name', true],
  ['$.filings[accession_number=a.b].size', '$.filings[*].name', false],
  ['$.other', '$.filings[*].name', false],
])('a change of %s touches %s: %s', (changed, named, expected) => {
  expect(touches(changed, named)).toBe(expected)
})
