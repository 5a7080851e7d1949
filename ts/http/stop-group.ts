/**
 * Requests under way, by the signal that stops them. When it aborts they get `graceMs` to end by themselves, then they are
 * cut. One listener per signal, however many requests it governs.
 */
import type { DurationMs } from '../model/time.ts'
import { onAbort } from '../runtime/abort-hub.ts'
import type { Clock } from '../runtime/ports.ts'

type Abortable = { abort(): void }
type Group = { readonly members: Set<Abortable>; readonly idle: AbortController }

export type StopGroups = {
  /** Call before the signal has aborted; returns how to take the member out again. */
  add(signal: AbortSignal, member: Abortable): () => void
}

export function createStopGroups(graceMs: DurationMs, clock: Pick<Clock, 'sleep'>): StopGroups {
  const groups = new WeakMap<AbortSignal, Group>()

  function groupOf(signal: AbortSignal): Group {
    let group = groups.get(signal)
    if (group === undefined) {
      const created: Group = { members: new Set(), idle: new AbortController() }
      group = created
      groups.set(signal, created)
      onAbort(signal, () => void stop(created))
    }
    return group
  }

  async function stop({ members, idle }: Group): Promise<void> {
    if (members.size > 0) await clock.sleep(graceMs, idle.signal)
    for (const member of members) member.abort()
  }

  return {
    add(signal, member) {
      const group = groupOf(signal)
      group.members.add(member)
      return () => {
        group.members.delete(member)
        if (signal.aborted && group.members.size === 0) group.idle.abort()
      }
    },
  }
}
