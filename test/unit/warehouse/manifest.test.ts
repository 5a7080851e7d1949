import { describe, expect, it } from 'vitest'
import { isEngineError } from '../../../ts/model/errors.ts'
import { filesOf, type Manifest, manifestText, parseManifest } from '../../../ts/warehouse/manifest.ts'

const file = (name: string) => ({ file: name, rows: 1, bytes: 10 })
const manifest: Manifest = {
  schema_version: 1,
  store_id: 'a',
  generation: 3,
  exported_at: '2026-11-21T00:00:00.000Z',
  partitions: [
    {
      source: 'sam_gov',
      cohort: `__proto__'"\n`,
      counter: 2 ** 53 - 1,
      policy: 'none',
      exported_at: '2026-11-21T00:00:00.000Z',
      ledger: file('ledger/sam_gov/proto-0123456789abcdef.g000003-1.parquet'),
      records: null,
    },
  ],
  events: [{ ...file('events/0000000001.g000003-1.parquet'), first_position: 1, last_position: 9, last_event_id: 'x' }],
  erasures: 2,
  coverage: [{ ...file('coverage/0000000001.g000003-1.parquet'), first_export: 1 }],
}

describe('manifest', () => {
  it('survives writing and reading', () => {
    expect(parseManifest(manifestText(manifest))).toEqual({ kind: 'ok', manifest })
    expect(filesOf(manifest).map((entry) => entry.file.split('/')[0])).toEqual(['ledger', 'events', 'coverage'])
    const { erasures: _, ...before } = manifest
    expect(parseManifest(JSON.stringify(before))).toEqual({ kind: 'ok', manifest: { ...manifest, erasures: 0 } })
  })

  it('that is torn, foreign or incomplete is damaged, never half believed', () => {
    const text = manifestText(manifest)
    for (const broken of ['', 'null', '[]', '{}', text.slice(0, -20), text.replace('"bytes"', '"byte"')]) {
      expect(parseManifest(broken)).toEqual({ kind: 'damaged' })
    }
  })

  it('cannot name a file outside the warehouse', () => {
    for (const name of [
      '../outside.parquet',
      'ledger/../../x.parquet',
      '/etc/x.parquet',
      'ledger/a/b/c.parquet',
      `ledger/x'.parquet`,
      'other/x.parquet',
    ]) {
      const hostile = { ...manifest, events: [{ ...manifest.events[0]!, file: name }] }
      expect(parseManifest(JSON.stringify(hostile)), name).toEqual({ kind: 'damaged' })
    }
  })

  it('of a newer version is refused with what to do', () => {
    try {
      parseManifest(JSON.stringify({ ...manifest, schema_version: 2, more: true }))
      expect.unreachable()
    } catch (error) {
      expect(isEngineError(error, 'warehouse_newer')).toBe(true)
      expect(isEngineError(error) && error.recovery).toBe('configuration')
      expect(isEngineError(error) && error.hint).toMatch(/newer version/)
    }
  })
})
