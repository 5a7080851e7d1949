import { describe, expect, it } from 'vitest'
import { type Checkpoint, NO_COUNTS } from '../../../ts/model/checkpoint.ts'
import { checkpointDocument } from '../../../ts/warehouse/checkpoint-artifact.ts'

const checkpoint: Checkpoint = {
  partition: 'usaspending:award_year_2024',
  version: 4,
  status: 'complete',
  strategy: 'batch',
  passStartedAt: Date.UTC(2026, 10, 21),
  window: { from: Date.UTC(2023, 9, 1), to: Date.UTC(2023, 9, 8) },
  cursor: 'page 3',
  counts: { ...NO_COUNTS, items: 3, notModified: 2 },
  updatedAt: Date.UTC(2026, 10, 21, 1),
  finishedAt: Date.UTC(2026, 10, 21, 1),
  durationMs: 3_600_000,
  runId: 'run_1',
  ledgerWatermark: Date.UTC(2026, 10, 21, 0, 59),
}

describe('checkpointDocument', () => {
  it('says for every partition where it stands, in ISO times, sorted', () => {
    const open = {
      ...checkpoint,
      partition: 'sam_gov:uei_batch_0001',
      status: 'open',
      finishedAt: null,
      durationMs: null,
      window: null,
      ledgerWatermark: null,
    } as const
    expect(checkpointDocument([checkpoint, open])).toEqual({
      schema_version: 1,
      checkpoints: [
        expect.objectContaining({
          partition: 'sam_gov:uei_batch_0001',
          status: 'open',
          finished_at: null,
          window: null,
          ledger_watermark: null,
        }),
        {
          partition: 'usaspending:award_year_2024',
          source: 'usaspending',
          cohort: 'award_year_2024',
          status: 'complete',
          strategy: 'batch',
          version: 4,
          cursor: 'page 3',
          window: { from: '2023-10-01T00:00:00.000Z', to: '2023-10-08T00:00:00.000Z' },
          counts: { items: 3, changed: 0, unchanged: 0, not_modified: 2, absent: 0, failed: 0, skipped: 0, events: 0, calls: 0 },
          started_at: '2026-11-21T00:00:00.000Z',
          updated_at: '2026-11-21T01:00:00.000Z',
          finished_at: '2026-11-21T01:00:00.000Z',
          duration_ms: 3_600_000,
          run_id: 'run_1',
          ledger_watermark: '2026-11-21T00:59:00.000Z',
        },
      ],
    })
  })
})
