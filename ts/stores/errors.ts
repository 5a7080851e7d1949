/** The errors a store rejects with, in one place so that both implementations say the same words. */
import { EngineError } from '../model/errors.ts'
import { type EntityRef, entityId, type PartitionKey, type SourceId } from '../model/keys.ts'

export function leaseLost(partition: PartitionKey, holder: string): EngineError {
  return new EngineError('try_later', 'lease_lost', `${holder} no longer holds the lease of ${partition}`, {
    hint: 'Another process took the partition over; nothing was written. Run the same command again later.',
  })
}

export function leaseHeld(partition: PartitionKey, holder: string): EngineError {
  return new EngineError('try_later', 'lease_held', `${partition} is leased by ${holder}`, {
    hint: 'Wait until that run has ended, or stop it, then try again.',
  })
}

export function checkpointConflict(partition: PartitionKey, expected: number, stored: number): EngineError {
  return new EngineError(
    'try_later',
    'checkpoint_conflict',
    `the checkpoint of ${partition} has version ${stored}, expected ${expected}`,
    {
      hint: 'Another run moved it; nothing was written. Run the same command again.',
    },
  )
}

export function unknownEntity(entity: EntityRef, source?: SourceId): EngineError {
  const where = source === undefined ? 'the population' : `the ledger of ${source}`
  return new EngineError('failed', 'unknown_entity', `${entityId(entity)} is not in ${where}`, {
    hint:
      source === undefined
        ? 'Check the key, or ingest the file that names it.'
        : 'Check the key and the source; `plan` assigns newly ingested entities to their sources.',
  })
}

export function badPartition(partition: string): EngineError {
  return new EngineError(
    'usage',
    'bad_partition',
    `"${partition}" is no partition; write it as source:cohort, e.g. sam_gov:uei_batch_0001`,
  )
}

export function unknownRun(runId: string): EngineError {
  return new EngineError('failed', 'unknown_run', `run ${runId} was never started`)
}

export function storeClosed(): EngineError {
  return new EngineError('failed', 'store_closed', 'the state store is closed')
}
