import { describe, expect, it } from 'vitest'
import type { Manifest } from '../../../ts/warehouse/manifest.ts'
import { sqlName, sqlText } from '../../../ts/warehouse/sql.ts'
import { catalogStatements } from '../../../ts/warehouse/views.ts'

const empty: Manifest = {
  schema_version: 1,
  store_id: 'a',
  generation: 1,
  exported_at: '2026-11-21T00:00:00.000Z',
  partitions: [],
  events: [],
  erasures: 0,
  coverage: [],
}

describe('SQL text', () => {
  it('is quoted', () => {
    expect(sqlText(`it's; DROP TABLE x`)).toBe(`'it''s; DROP TABLE x'`)
    expect(sqlName(`a"b`)).toBe('"a""b"')
    expect(() => sqlText('a\0b')).toThrow(/NUL/)
  })
})

describe('catalogStatements', () => {
  it('makes every documented view, also of nothing', () => {
    const sql = catalogStatements(empty, '/w').join('\n')
    for (const view of [
      'ledger',
      'ledger_now',
      'records',
      'events',
      'event_changes',
      'coverage',
      'coverage_latest',
      'stale_cohorts',
      'export_info',
    ]) {
      expect(sql).toContain(`CREATE VIEW ${view} AS`)
    }
    expect(sql).not.toContain('read_parquet')
  })

  it('names files one by one, never by a pattern', () => {
    const chunk = {
      file: 'events/0000000001.g000001-1.parquet',
      rows: 1,
      bytes: 1,
      first_position: 1,
      last_position: 1,
      last_event_id: 'x',
    }
    const sql = catalogStatements({ ...empty, events: [chunk] }, `/it's`).join('\n')
    expect(sql).toContain(`read_parquet([warehouse_file('events/0000000001.g000001-1.parquet')])`)
    expect(sql).toContain(`'/it''s'`)
    expect(sql).not.toMatch(/\*\.parquet/)
  })
})
