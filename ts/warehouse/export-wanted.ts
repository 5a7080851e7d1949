/**
 * Who finds an export under way leaves a mark, and the export that is under way goes round once more when it finds one:
 * otherwise what was committed while it ran would wait for the next refresh, and the last of several runs that end
 * together would stay invisible.
 */
import type { Store } from '../stores/store.ts'

const WANTED = 'warehouse.wanted'

/** Changes with every mark; to be read before the store's counters are. */
export async function marks(store: Pick<Store, 'getState'>): Promise<number> {
  return (await store.getState(WANTED))?.version ?? 0
}

export async function leaveMark(store: Pick<Store, 'getState' | 'putState'>): Promise<void> {
  // That it could not be written means that others left theirs, which serve as well.
  await store.putState(WANTED, await marks(store), {})
}
