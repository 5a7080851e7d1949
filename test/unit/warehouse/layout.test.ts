import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chunkFile, coverageSpan, generationOf, partitionFile, safeSegment } from '../../../ts/warehouse/layout.ts'

const HOSTILE = [
  '',
  '.',
  '..',
  '../../etc/passwd',
  'a/b',
  'a\\b',
  'CON',
  'nul',
  'com1.txt',
  'trailing.',
  'UPPER',
  'upper',
  `quote'"`,
  'nul\0byte',
  '\u202Eright to left',
  'é',
  'e\u0301',
  '😀',
  '\uD800',
  '\uDFFF',
  '%2e%2e',
  'tmp_x',
  'x'.repeat(4096),
  'y'.repeat(4096),
  'plain-0123456789abcdef',
]

describe('safeSegment', () => {
  it('keeps plain names readable', () => {
    for (const name of ['uei_batch_0001', 'award_year_2024', 'unresolved', 'change_feed', 'project_week_2025-w12'])
      expect(safeSegment(name)).toBe(name)
  })

  it('makes one short, safe, distinct segment of every hostile name', () => {
    const segments = HOSTILE.map(safeSegment)
    for (const segment of segments) expect(segment).toMatch(/^[a-z0-9_][a-z0-9_.-]{0,79}$/)
    expect(new Set(segments.map((segment) => segment.toLowerCase())).size).toBe(HOSTILE.length)
    expect(safeSegment('../../etc/passwd')).toMatch(/^etc_passwd-[0-9a-f]{16}$/)
    expect(safeSegment('CON')).not.toBe('con')
  })

  it('gives distinct names distinct segments', () => {
    const name = fc.oneof(fc.string({ unit: 'binary', maxLength: 20 }), fc.stringMatching(/^[a-zA-Z0-9_.-]{0,12}$/))
    fc.assert(
      fc.property(name, name, (a, b) => {
        fc.pre(a !== b)
        expect(safeSegment(a).toLowerCase()).not.toBe(safeSegment(b).toLowerCase())
      }),
    )
  })
})

describe('file names', () => {
  const stamp = { generation: 12, token: 34 }

  it('never match a name of another export and tell their generation', () => {
    const file = partitionFile('ledger', 'sam_gov', 'uei_batch_0001', stamp)
    expect(file).toBe('ledger/sam_gov/uei_batch_0001.g000012-34.parquet')
    expect(generationOf(file)).toBe(12)
    expect(partitionFile('ledger', 'sam_gov', 'uei_batch_0001', { ...stamp, token: 35 })).not.toBe(file)
    expect(generationOf('ledger/sam_gov/mine.parquet')).toBeNull()
  })

  it('tell which exports a coverage chunk holds', () => {
    expect(coverageSpan(chunkFile('coverage', 3, stamp))).toEqual({ first: 3, last: 12 })
    expect(coverageSpan(chunkFile('events', 3, stamp))).toBeNull()
    expect(generationOf(chunkFile('events', 3, stamp))).toBe(12)
  })
})
