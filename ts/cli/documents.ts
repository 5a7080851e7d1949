/** The engine's results as `--json` documents: snake_case, ISO instants. Pure. */
import type { z } from 'zod'
import type { Checkpoint, Counts } from '../model/checkpoint.ts'
import type { Identity } from '../model/entity.ts'
import type { JsonObject } from '../model/json.ts'
import type { EntityRef } from '../model/keys.ts'
import type { Plan } from '../model/plan.ts'
import type { DeltaEvent } from '../model/record.ts'
import type { RunReport } from '../model/run-report.ts'
import { toIso, toIsoOrNull } from '../model/time.ts'
import type { Window } from '../model/window.ts'
import type { PendingChange, QuarantineItem, StoredRun } from '../stores/store.ts'
import type * as shapes from './json-shapes.ts'

type Document<S extends z.ZodType> = z.input<S>

export function countsDocument(counts: Counts): Document<typeof shapes.countsShape> {
  const { notModified, ...same } = counts
  return { ...same, not_modified: notModified }
}

export function windowDocument(window: Window | null): { from: string; to: string } | null {
  return window === null ? null : { from: toIso(window.from), to: toIso(window.to) }
}

export function entityDocument(entity: EntityRef): { entity_kind: EntityRef['kind']; entity_key: string } {
  return { entity_kind: entity.kind, entity_key: entity.key }
}

export function planDocument(plan: Plan): Document<typeof shapes.planShape> {
  return {
    at: toIso(plan.at),
    sources: plan.sources.map((source) => ({
      source: source.source,
      population: source.population,
      due: source.due,
      stale: source.stale,
      never_attempted: source.neverAttempted,
      backing_off: source.backingOff,
      unresolved: source.unresolved,
      strategy: source.strategy,
      calls_by_strategy: { ...source.callsByStrategy },
      calls: source.calls,
      eta_ms: source.etaMs,
      feasible: source.feasibility.feasible,
      utilisation: source.feasibility.utilisation,
      repair: source.feasibility.repair,
      repairs: source.feasibility.repairs.map(({ kind, changes, text }) => ({ kind, text, changes: [...changes] })),
      held_back: source.heldBack,
    })),
    partitions: plan.partitions.map((planned) => ({
      partition: planned.partition,
      source: planned.source,
      cohort: planned.cohort,
      strategy: planned.strategy,
      window: windowDocument(planned.window),
      due: planned.due,
      stale: planned.stale,
      entities: planned.entities,
      calls: planned.calls,
      resume: planned.resume,
      reason: planned.reason,
    })),
  }
}

export function runReportDocument(report: RunReport, exitCode: number): Document<typeof shapes.runReportShape> {
  return {
    run_id: report.runId,
    started_at: toIso(report.startedAt),
    finished_at: toIso(report.finishedAt),
    duration_ms: Math.max(0, report.finishedAt - report.startedAt),
    dry_run: report.dryRun,
    interrupted: report.interrupted,
    exit_code: exitCode,
    partitions: report.partitions.map((part) => ({
      partition: part.partition,
      source: part.source,
      strategy: part.strategy,
      window: windowDocument(part.window),
      status: part.status,
      code: part.code,
      reason: part.reason,
      until: toIsoOrNull(part.until),
      resumed: part.resumed,
      reconciled: part.reconciled,
      counts: countsDocument(part.counts),
      sla_gaps_closed: part.slaGapsClosed,
      quota_wait_ms: part.quotaWaitMs,
      duration_ms: part.durationMs,
    })),
    sources: report.sources.map((source) => ({
      source: source.source,
      counts: countsDocument(source.counts),
      coverage_before: source.coverageBefore,
      coverage_after: source.coverageAfter,
      sla_gaps_closed: source.slaGapsClosed,
      quota_wait_ms: source.quotaWaitMs,
      calls_saved: source.callsSaved,
    })),
    held_back: report.heldBack.map((held) => ({ ...held })),
  }
}

/** What `refresh` prints. `plan`: of a dry run, what it would do; else null. */
export function refreshDocument(report: RunReport, exitCode: number, plan: Plan | null): Document<typeof shapes.refreshShape> {
  return { ...runReportDocument(report, exitCode), plan: plan === null ? null : planDocument(plan) }
}

export function storedRunDocument(
  run: StoredRun,
  exitCode: (report: RunReport) => number,
): Document<typeof shapes.reportShape>['runs'][number] {
  return {
    run_id: run.runId,
    command: run.command,
    started_at: toIso(run.startedAt),
    finished_at: toIsoOrNull(run.finishedAt),
    report: run.report === null ? null : runReportDocument(run.report, exitCode(run.report)),
  }
}

export function eventDocument(event: DeltaEvent & { readonly position: number }): Document<typeof shapes.eventShape> {
  return {
    position: event.position,
    event_id: event.eventId,
    source: event.source,
    ...entityDocument(event.entity),
    kind: event.kind,
    at: toIso(event.at),
    run_id: event.runId,
    old_hash: event.oldHash,
    new_hash: event.newHash,
    changes: event.changes.map(({ path, old, new: now }) => ({ path, old: old as JsonOut, new: now as JsonOut })),
    confidence: event.confidence,
    confidence_method: event.confidenceMethod,
  }
}

/** zod's JSON type is the same as ours without `readonly`. */
type JsonOut = z.input<ReturnType<typeof z.json>>

export function checkpointDocument(checkpoint: Checkpoint): Document<typeof shapes.checkpointShape> {
  return {
    partition: checkpoint.partition,
    version: checkpoint.version,
    status: checkpoint.status,
    strategy: checkpoint.strategy,
    pass_started_at: toIso(checkpoint.passStartedAt),
    window: windowDocument(checkpoint.window),
    cursor: checkpoint.cursor,
    counts: countsDocument(checkpoint.counts),
    updated_at: toIso(checkpoint.updatedAt),
    finished_at: toIsoOrNull(checkpoint.finishedAt),
    duration_ms: checkpoint.durationMs,
    run_id: checkpoint.runId,
    ledger_watermark: toIsoOrNull(checkpoint.ledgerWatermark),
  }
}

export function identityDocument(identity: Identity): Document<typeof shapes.identityShape> {
  return {
    source: identity.source,
    ...entityDocument(identity.entity),
    provider_key: identity.providerKey,
    method: identity.method,
    confidence: identity.confidence,
    evidence: identity.evidence as Record<string, JsonOut>,
    alternatives: identity.alternatives as JsonObject[] as Record<string, JsonOut>[],
    resolved_at: toIso(identity.resolvedAt),
    decided_by: identity.decidedBy,
  }
}

export function pendingDocument(entry: PendingChange): Document<typeof shapes.pendingListShape>['pending'][number] {
  return { source: entry.source, ...entityDocument(entry.entity), reason: entry.reason, at: toIso(entry.at), by: entry.by }
}

export function quarantineDocument(item: QuarantineItem) {
  return { id: item.id, origin: item.origin, where: item.where, reason: item.reason, at: toIso(item.at), state: item.state }
}
