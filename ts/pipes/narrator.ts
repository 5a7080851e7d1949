/**
 * A run's events as what Dagster is told: log messages for people, few because each is a write to the event log, and custom
 * messages for programs, which cost nothing there. Pure: time comes in, messages come out.
 */
import { countsDocument } from '../cli/documents.ts'
import { duration, instant, number, plainText, plural } from '../cli/format.ts'
import type { Counts } from '../model/checkpoint.ts'
import type { PartitionKey } from '../model/keys.ts'
import type { PartitionReport } from '../model/run-report.ts'
import { toIso, toIsoOrNull } from '../model/time.ts'
import type { RunEvent } from '../refresh/run-events.ts'
import type { PipesLogLevel } from './protocol.ts'

export type Told =
  | { readonly log: string; readonly level: PipesLogLevel }
  | { readonly message: { readonly kind: string } & Readonly<Record<string, unknown>> }

export type NarratorOptions = {
  /** Between two progress lines in the log. */
  readonly logEveryMs?: number
  /** Between two progress messages of a partition. */
  readonly messageEveryMs?: number
  /** Something is said at least this often, so that a launcher can tell waiting from hanging. */
  readonly beatEveryMs?: number
}

export type Narrator = {
  onEvent(event: RunEvent, nowMs: number): readonly Told[]
  /** Called now and then; tells that the run goes on when nothing else was told for a while. */
  onBeat(nowMs: number): readonly Told[]
}

const round = (seconds: number): number => Math.round(seconds * 1000) / 1000

export function countsText(counts: Counts): string {
  const parts = [
    `${number(counts.items)} asked`,
    `${number(counts.changed)} changed`,
    `${number(counts.unchanged + counts.notModified)} unchanged`,
    ...(counts.absent > 0 ? [`${number(counts.absent)} absent`] : []),
    ...(counts.failed > 0 ? [`${number(counts.failed)} failed`] : []),
    ...(counts.skipped > 0 ? [`${number(counts.skipped)} skipped`] : []),
    `${plural(counts.events, 'event')}`,
    `${plural(counts.calls, 'call')}`,
  ]
  return parts.join(', ')
}

function finishedText(report: PartitionReport): string {
  const end = `${report.partition}: ${report.status.replaceAll('_', ' ')} after ${duration(report.durationMs)}; ${countsText(report.counts)}`
  const again = report.until === null ? '' : `, again at ${instant(report.until)}`
  return report.reason === null ? end : `${end}; ${plainText(report.reason)}${again}`
}

function levelOf(report: PartitionReport): PipesLogLevel {
  if (report.status === 'failed') return 'ERROR'
  return report.status === 'done' ? 'INFO' : 'WARNING'
}

export function createNarrator(startedAtMs: number, options: NarratorOptions = {}): Narrator {
  const { logEveryMs = 10_000, messageEveryMs = 2_000, beatEveryMs = 10_000 } = options
  const planned = new Map<PartitionKey, number>()
  const latest = new Map<PartitionKey, Counts>()
  const messageAt = new Map<PartitionKey, number>()
  const waitingFor = new Map<string, string>()
  let runId = ''
  let loggedAt = startedAtMs
  let toldAt = startedAtMs
  let eventAt = startedAtMs

  const elapsed = (nowMs: number): number => round((nowMs - startedAtMs) / 1000)

  function progressMessage(partition: PartitionKey, counts: Counts, nowMs: number): Told {
    messageAt.set(partition, nowMs)
    return {
      message: {
        kind: 'progress',
        run_id: runId,
        partition,
        due: planned.get(partition) ?? 0,
        ...countsDocument(counts),
        elapsed_s: elapsed(nowMs),
      },
    }
  }

  function summary(nowMs: number): Told {
    loggedAt = nowMs
    const lines = [...latest].map(([partition, counts]) => {
      const due = planned.get(partition) ?? 0
      return `${partition} ${due > 0 ? `(${number(due)} due): ` : ''}${countsText(counts)}`
    })
    return {
      log: lines.length === 1 ? lines[0]! : `${plural(lines.length, 'partition')} so far: ${lines.join('; ')}`,
      level: 'INFO',
    }
  }

  function tell(event: RunEvent, nowMs: number): readonly Told[] {
    switch (event.kind) {
      case 'run_started': {
        runId = event.runId
        const { partitions, sources } = event.plan
        for (const part of partitions) planned.set(part.partition, part.due)
        const calls = partitions.reduce((sum, part) => sum + part.calls, 0)
        const heldBack = sources.flatMap((source) =>
          source.heldBack === null ? [] : [{ source: source.source, due: source.due, why: source.heldBack }],
        )
        const held = heldBack.map(({ source, due, why }) => `; ${source} is not asked, ${number(due)} due there: ${why}`).join('')
        const text =
          partitions.length === 0
            ? 'nothing to do: nothing that was selected is due'
            : `${plural(partitions.length, 'partition')} to work on, about ${plural(calls, 'call')}`
        return [
          { log: `run ${runId}: ${text}${plainText(held)}`, level: heldBack.length > 0 ? 'WARNING' : 'INFO' },
          {
            message: {
              kind: 'run_started',
              run_id: runId,
              partitions: partitions.map((part) => part.partition),
              calls,
              held_back: heldBack,
            },
          },
        ]
      }
      case 'partition_started': {
        const { partition, planned: part, resumed } = event
        planned.set(partition, part.due)
        return [
          {
            log: `${partition}: ${resumed ? 'goes on where it was; ' : ''}${plainText(part.reason)}; by ${part.strategy}, about ${plural(part.calls, 'call')}`,
            level: 'INFO',
          },
          {
            message: {
              kind: 'partition_started',
              run_id: runId,
              partition,
              strategy: part.strategy,
              resumed,
              due: part.due,
              calls: part.calls,
            },
          },
        ]
      }
      case 'progress': {
        const { partition, counts } = event
        latest.set(partition, counts)
        const told: Told[] = []
        if (nowMs - (messageAt.get(partition) ?? Number.NEGATIVE_INFINITY) >= messageEveryMs)
          told.push(progressMessage(partition, counts, nowMs))
        if (nowMs - loggedAt >= logEveryMs) told.push(summary(nowMs))
        return told
      }
      case 'waiting': {
        const why = plainText(event.why)
        const until = toIsoOrNull(event.until)
        const message: Told = { message: { kind: 'waiting', run_id: runId, source: event.source, until, why } }
        // The same wait, told again and again, is one line.
        if (waitingFor.get(event.source) === why) return [message]
        waitingFor.set(event.source, why)
        return [
          {
            log: `${event.source} waits for ${why}${event.until === null ? '' : ` until ${toIso(event.until)}`}`,
            level: 'INFO',
          },
          message,
        ]
      }
      case 'checkpoint_mismatch': {
        const message = plainText(event.message)
        return [
          {
            log: `${event.partition}: the checkpoint did not match the ledger and was repaired before any call: ${message}`,
            level: 'WARNING',
          },
          { message: { kind: 'checkpoint_mismatch', run_id: runId, partition: event.partition, message } },
        ]
      }
      case 'partition_finished': {
        const { report } = event
        latest.delete(report.partition)
        return [
          { log: finishedText(report), level: levelOf(report) },
          progressMessage(report.partition, report.counts, nowMs),
          {
            message: {
              kind: 'partition_finished',
              run_id: runId,
              partition: report.partition,
              status: report.status,
              code: report.code,
              reason: report.reason,
              until: toIsoOrNull(report.until),
              sla_gaps_closed: report.slaGapsClosed,
            },
          },
        ]
      }
      case 'run_finished': {
        const { report } = event
        const done = report.partitions.filter((part) => part.status === 'done').length
        const gaps = report.sources.reduce((sum, source) => sum + source.slaGapsClosed, 0)
        const text =
          report.partitions.length === 0
            ? 'nothing was asked'
            : `${number(done)} of ${plural(report.partitions.length, 'partition')} done, ${plural(gaps, 'SLA gap')} closed`
        return [{ log: `run ${report.runId}: ${text}${report.interrupted ? '; stopped, state saved' : ''}`, level: 'INFO' }]
      }
    }
  }

  return {
    onEvent(event, nowMs) {
      const told = tell(event, nowMs)
      eventAt = nowMs
      if (told.length > 0) toldAt = nowMs
      return told
    },
    onBeat(nowMs) {
      if (nowMs - toldAt < beatEveryMs) return []
      toldAt = nowMs
      return [
        { message: { kind: 'heartbeat', run_id: runId, elapsed_s: elapsed(nowMs), idle_s: round((nowMs - eventAt) / 1000) } },
      ]
    },
  }
}
