import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Checkpoint, NO_COUNTS } from '../../ts/model/checkpoint.ts'
import { checkpointArtifact } from '../../ts/warehouse/checkpoint-artifact.ts'
import { T0, temporaryDirectory } from '../unit/warehouse/world.ts'

let directory: ReturnType<typeof temporaryDirectory>
beforeEach(() => {
  directory = temporaryDirectory()
})
afterEach(() => directory.remove())

const checkpoint = (version: number): Checkpoint => ({
  partition: 'sam_gov:uei_batch_0001',
  version,
  status: 'open',
  strategy: 'batch',
  ...{
    passStartedAt: T0,
    window: null,
    cursor: `page ${version}`,
    counts: NO_COUNTS,
    updatedAt: T0,
    finishedAt: null,
    durationMs: null,
  },
  ...{ runId: 'run_1', ledgerWatermark: null },
})

it('is whole at any time, replaced as a whole, and leaves nothing beside it', async () => {
  const path = join(directory.path, 'state', 'enrichment_refresh_state.json')
  expect(await checkpointArtifact({ checkpoints: async () => [] }, path)).toEqual({ checkpoints: 0 })
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ schema_version: 1, checkpoints: [] })
  let writing = true
  let version = 0
  const store = {
    async checkpoints() {
      version += 1
      return [checkpoint(version)]
    },
  }
  const writers = Promise.all(
    [1, 2, 3].map(async () => {
      for (let round = 0; round < 20; round += 1) await checkpointArtifact(store, path)
    }),
  ).finally(() => {
    writing = false
  })
  let reads = 0
  while (writing) {
    const { checkpoints } = JSON.parse(readFileSync(path, 'utf8')) as { checkpoints: { cursor: string }[] }
    expect(checkpoints.length).toBeLessThanOrEqual(1)
    reads += 1
    await new Promise((resolve) => setImmediate(resolve))
  }
  await writers
  expect(reads).toBeGreaterThan(10)
  expect(readdirSync(join(directory.path, 'state'))).toEqual(['enrichment_refresh_state.json'])
})

it('a writer that was overtaken writes what is newest', async () => {
  const path = join(directory.path, 'enrichment_refresh_state.json')
  const answers = [[checkpoint(1)], [checkpoint(2)], [checkpoint(2)]]
  await checkpointArtifact({ checkpoints: async () => answers.shift() ?? [checkpoint(2)] }, path)
  expect(JSON.parse(readFileSync(path, 'utf8')).checkpoints[0]).toMatchObject({ version: 2, cursor: 'page 2' })
})

it('sweeps what a killed writer left', async () => {
  const path = join(directory.path, 'enrichment_refresh_state.json')
  writeFileSync(join(directory.path, '.enrichment_refresh_state.json.tmp-4194303-0123456789ab'), '{"half')
  await checkpointArtifact({ checkpoints: async () => [] }, path)
  expect(readdirSync(directory.path)).toEqual(['enrichment_refresh_state.json'])
})
