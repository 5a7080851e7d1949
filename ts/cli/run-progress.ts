/** Turns a run's events into a progress bar and remarks. */
import type { PartitionKey } from '../model/keys.ts'
import type { RunEvent } from '../refresh/run-events.ts'
import type { CliContext } from './context.ts'
import { duration, untilText } from './format.ts'

export function runProgress(
  context: CliContext,
  now: () => number,
): {
  onEvent(event: RunEvent): void
  stop(): void
} {
  const bar = context.progress('refresh')
  const items = new Map<PartitionKey, number>()
  const planned = new Map<PartitionKey, number>()
  let note = ''
  const draw = (): void => {
    // What a partition did beyond its plan (a feed has no number of its own) counts as planned.
    let value = 0
    let total = 0
    for (const [partition, due] of planned) {
      const done = items.get(partition) ?? 0
      value += done
      total += Math.max(due, done)
    }
    bar.update(value, Math.max(total, 1), note)
  }
  return {
    onEvent(event) {
      switch (event.kind) {
        case 'run_started':
          for (const partition of event.plan.partitions) planned.set(partition.partition, partition.due)
          break
        case 'partition_started':
          note = event.partition
          break
        case 'progress':
          items.set(event.partition, event.counts.items)
          note = event.partition
          break
        case 'waiting':
          // The moment comes first: what does not fit in the line is cut off.
          note = `${event.source} waits${event.until === null ? '' : ` until ${untilText(event.until, now())} (${duration(event.until - now())})`} for ${event.why}`
          break
        case 'checkpoint_mismatch':
          context.note(`${event.partition}: ${event.message}`)
          break
        case 'partition_finished':
          planned.set(event.report.partition, event.report.counts.items)
          items.set(event.report.partition, event.report.counts.items)
          break
        case 'run_finished':
          break
      }
      draw()
    },
    stop: () => bar.stop(),
  }
}
