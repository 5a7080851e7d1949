import { type PartitionKey, parsePartitionKey, type SourceId } from '../../model/keys.ts'
import type { Monotonic } from '../../runtime/ports.ts'
import { badPartition, leaseHeld, leaseLost } from '../errors.ts'
import type { CoordinationStore } from '../store.ts'
import { compareText } from '../text-order.ts'
import { requireLease, requireVersion } from './commit.ts'
import { copy, type Data, type StoredLease } from './data.ts'

function isHeld(lease: StoredLease | undefined, monotonic: Monotonic): lease is StoredLease & { readonly holder: string } {
  return lease !== undefined && lease.holder !== null && lease.boot === monotonic.boot && lease.expiresMs > monotonic.ms
}

function checked(partition: PartitionKey): PartitionKey {
  if (parsePartitionKey(partition) === null) throw badPartition(partition)
  return partition
}

function isOf(source: SourceId | undefined, partition: PartitionKey): boolean {
  return source === undefined || partition.startsWith(`${source}:`)
}

export function createCoordination(data: Data): CoordinationStore {
  return {
    checkpoint: (partition) =>
      data.step(() => {
        const stored = data.checkpoints.get(checked(partition))
        return stored === undefined ? null : copy(stored)
      }),
    checkpoints: (source) =>
      data.step(() =>
        [...data.checkpoints.values()]
          .filter(({ partition }) => isOf(source, partition))
          .sort((a, b) => compareText(a.partition, b.partition))
          .map(copy),
      ),
    resetCheckpoint: (partition, monotonic) =>
      data.step(() => {
        const lease = data.leases.get(checked(partition))
        if (isHeld(lease, monotonic)) throw leaseHeld(partition, lease.holder)
        return data.checkpoints.delete(partition)
      }),
    putCheckpoint: (lease, checkpoint) =>
      data.step(() => {
        requireLease(data, lease)
        requireVersion(data, lease, checkpoint)
        data.checkpoints.set(lease.partition, copy(checkpoint))
      }),
    acquireLease: (partition, holder, duration, monotonic) =>
      data.step(() => {
        const stored = data.leases.get(checked(partition))
        if (isHeld(stored, monotonic)) return null
        const lease = { holder, token: (stored?.token ?? 0) + 1, expiresMs: monotonic.ms + duration, boot: monotonic.boot }
        data.leases.set(partition, lease)
        return { partition, holder, token: lease.token, expiresAtMonotonicMs: lease.expiresMs }
      }),
    renewLease: (lease, duration, monotonic) =>
      data.step(() => {
        const stored = data.leases.get(checked(lease.partition))
        if (stored?.holder !== lease.holder || stored.token !== lease.token) throw leaseLost(lease.partition, lease.holder)
        const expiresMs = monotonic.ms + duration
        data.leases.set(lease.partition, { ...stored, expiresMs, boot: monotonic.boot })
        return { ...lease, expiresAtMonotonicMs: expiresMs }
      }),
    releaseLease: (lease) =>
      data.step(() => {
        const stored = data.leases.get(checked(lease.partition))
        if (stored?.holder === lease.holder && stored.token === lease.token)
          data.leases.set(lease.partition, { ...stored, holder: null })
      }),
    leases: (monotonic) =>
      data.step(() =>
        [...data.leases]
          .flatMap(([partition, lease]) =>
            isHeld(lease, monotonic)
              ? [{ partition, holder: lease.holder, token: lease.token, expiresAtMonotonicMs: lease.expiresMs }]
              : [],
          )
          .sort((a, b) => compareText(a.partition, b.partition)),
      ),
  }
}
