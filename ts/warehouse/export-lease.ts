/** One export at a time: a lease in the store, kept alive between rows and files. */
import { EngineError } from '../model/errors.ts'
import type { Monotonic } from '../runtime/ports.ts'
import type { Lease, Store } from '../stores/store.ts'

export const EXPORT_PARTITION = 'warehouse:export'
export const EXPORT_LEASE_MS = 60_000

export type ExportLease = {
  /** Grows with every grant. */
  readonly token: number
  /**
   * Null when there is time left, so that it can be asked for every row; else renews. Rejects with `lease_lost`, throws
   * `interrupted` when the signal aborted.
   */
  keep(): Promise<void> | null
  /** Renews now: asked before each step that others see. Rejects with `lease_lost`. */
  confirm(): Promise<void>
  release(): Promise<void>
}

type LeaseDeps = {
  readonly store: Pick<Store, 'acquireLease' | 'renewLease' | 'releaseLease'>
  readonly holder: string
  readonly monotonic: () => Monotonic
  readonly signal?: AbortSignal
}

/** Null while another export holds it. */
export async function takeExportLease({ store, holder, monotonic, signal }: LeaseDeps): Promise<ExportLease | null> {
  const granted = await store.acquireLease(EXPORT_PARTITION, holder, EXPORT_LEASE_MS, monotonic())
  if (granted === null) return null
  let lease: Lease = granted
  let renewedAtMs = monotonic().ms
  async function confirm(): Promise<void> {
    const at = monotonic()
    lease = await store.renewLease(lease, EXPORT_LEASE_MS, at)
    renewedAtMs = at.ms
  }
  return {
    token: granted.token,
    keep() {
      if (signal?.aborted)
        throw new EngineError('interrupted', 'export_interrupted', 'the export was interrupted', {
          hint: 'what was exported before is still readable; run the export again',
        })
      return monotonic().ms - renewedAtMs > EXPORT_LEASE_MS / 3 ? confirm() : null
    },
    confirm,
    release: () => store.releaseLease(lease),
  }
}
