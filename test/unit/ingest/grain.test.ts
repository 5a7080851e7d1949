import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type Grain, grainKey } from '../../../ts/ingest/grain.ts'

const GRAIN: Grain = {
  recipient: 'Acme Photonics, Inc.',
  agencyTrackingNumber: 'F-1',
  contract: 'FA8650-24-C-0001',
  agency: 'Department of Defense',
  branch: 'Air Force',
  phase: 'Phase I',
  program: 'SBIR',
  proposalAwardDate: '2024-03-01',
  solicitationNumber: null,
}

describe('grainKey', () => {
  it('is a versioned hash of nine parts; changing the recipe needs a new version', () => {
    const text = [
      'ACME PHOTONICS, INC.',
      'F-1',
      'FA8650-24-C-0001',
      'DEPARTMENT OF DEFENSE',
      'AIR FORCE',
      'PHASE I',
      'SBIR',
      '2024-03-01',
      '',
    ].join('\u001f')
    expect(grainKey(GRAIN)).toBe(`v1:${createHash('sha256').update(text).digest('hex')}`)
  })

  it('does not see case, white space, or the renaming of the agency', () => {
    const same: readonly Partial<Grain>[] = [
      { recipient: ' ACME  photonics,\tInc. ' },
      { contract: 'fa8650-24-c-0001' },
      { agency: 'Department of War' },
      { solicitationNumber: '' },
    ]
    for (const change of same) expect(grainKey({ ...GRAIN, ...change })).toBe(grainKey(GRAIN))
    expect(grainKey({ ...GRAIN, agency: 'DOW' })).toBe(grainKey({ ...GRAIN, agency: 'DOD' }))
  })

  it('sees every part, and which part it is', () => {
    const keys = new Set([grainKey(GRAIN)])
    for (const name of Object.keys(GRAIN) as (keyof Grain)[]) keys.add(grainKey({ ...GRAIN, [name]: 'other' }))
    keys.add(grainKey({ ...GRAIN, branch: 'Phase I', phase: 'Air Force' }))
    keys.add(grainKey({ ...GRAIN, branch: 'Air Force\u001fPhase I', phase: null }))
    expect(keys.size).toBe(12)
  })
})
