/** Leases with fencing tokens, and checkpoints under them. Leases live on the monotonic clock of one boot. */
import { partitionKey } from '../../model/keys.ts'
import type { Monotonic } from '../../runtime/ports.ts'
import { leaseHeld, leaseLost } from '../errors.ts'
import type { CoordinationStore } from '../store.ts'
import { listCheckpoints, readCheckpoint, writeCheckpoint } from './checkpoint.ts'
import { requireLease } from './commit.ts'
import type { Connection } from './connection.ts'
import { findByKey, makeByKey } from './ids.ts'

type LeaseRow = { readonly holder: string | null; readonly token: number; readonly expires_ms: number; readonly boot: string }

function isHeld(row: LeaseRow | undefined, monotonic: Monotonic): row is LeaseRow & { readonly holder: string } {
  return row !== undefined && row.holder !== null && row.boot === monotonic.boot && row.expires_ms > monotonic.ms
}

export function createCoordination(db: Connection): CoordinationStore {
  const leaseRow = (partitionId: number): LeaseRow | undefined =>
    db.get<LeaseRow>('SELECT holder, token, expires_ms, boot FROM lease WHERE partition_id = ?', partitionId)

  return {
    checkpoint: (partition) => readCheckpoint(db, partition),
    checkpoints: (source) => listCheckpoints(db, source),

    resetCheckpoint: (partition, monotonic) =>
      db.write('reset_checkpoint', () => {
        const ids = findByKey(db, partition)
        if (ids === null) return false
        const row = leaseRow(ids.partitionId)
        if (isHeld(row, monotonic)) throw leaseHeld(partition, row.holder)
        return db.run('DELETE FROM checkpoint WHERE partition_id = ?', ids.partitionId) > 0
      }),

    putCheckpoint: (lease, checkpoint) =>
      db.write('put_checkpoint', () => writeCheckpoint(db, requireLease(db, lease).partitionId, lease, checkpoint)),

    acquireLease: (partition, holder, duration, monotonic) =>
      // Survives a power cut, unlike renewals: a token must not be granted twice, it fences commits.
      db.write('acquire_lease', () => {
        const { partitionId } = makeByKey(db, partition)
        const row = leaseRow(partitionId)
        if (isHeld(row, monotonic)) return null
        const token = (row?.token ?? 0) + 1
        const expiresAtMonotonicMs = monotonic.ms + duration
        db.run(
          'INSERT OR REPLACE INTO lease (partition_id, holder, token, expires_ms, boot) VALUES (?, ?, ?, ?, ?)',
          partitionId,
          holder,
          token,
          expiresAtMonotonicMs,
          monotonic.boot,
        )
        return { partition, holder, token, expiresAtMonotonicMs }
      }),

    renewLease: (lease, duration, monotonic) =>
      db.write(
        'renew_lease',
        () => {
          const ids = findByKey(db, lease.partition)
          const expiresAtMonotonicMs = monotonic.ms + duration
          const renewed =
            ids !== null &&
            db.run(
              'UPDATE lease SET expires_ms = ?, boot = ? WHERE partition_id = ? AND holder = ? AND token = ?',
              expiresAtMonotonicMs,
              monotonic.boot,
              ids.partitionId,
              lease.holder,
              lease.token,
            ) > 0
          if (!renewed) throw leaseLost(lease.partition, lease.holder)
          return { ...lease, expiresAtMonotonicMs }
        },
        'process_crash',
      ),

    releaseLease: (lease) =>
      db.write(
        'release_lease',
        () => {
          const ids = findByKey(db, lease.partition)
          if (ids !== null)
            db.run(
              'UPDATE lease SET holder = NULL WHERE partition_id = ? AND holder = ? AND token = ?',
              ids.partitionId,
              lease.holder,
              lease.token,
            )
        },
        'process_crash',
      ),

    leases: (monotonic) =>
      db.read(() =>
        db
          .all<LeaseRow & { source: string; cohort: string }>(
            'SELECT s.name AS source, p.cohort, l.* FROM lease l JOIN partition p ON p.id = l.partition_id JOIN source s ON s.id = p.source_id WHERE l.holder IS NOT NULL ORDER BY s.name, p.cohort',
          )
          .filter((row) => isHeld(row, monotonic))
          .map((row) => ({
            partition: partitionKey(row.source, row.cohort),
            holder: row.holder!,
            token: row.token,
            expiresAtMonotonicMs: row.expires_ms,
          })),
      ),
  }
}
