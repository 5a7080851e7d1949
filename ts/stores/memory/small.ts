import { entityId } from '../../model/keys.ts'
import { unknownRun } from '../errors.ts'
import { capUtf8, MAX_QUARANTINE_BYTES } from '../limits.ts'
import type { SmallStore } from '../store.ts'
import { compareRefs, compareText } from '../text-order.ts'
import { addPending, putIdentities } from './commit.ts'
import { copy, type Data, pairKey } from './data.ts'

export function createSmall(data: Data): Omit<SmallStore, 'unresolved'> {
  return {
    getState: (name) =>
      data.step(() => {
        const stored = data.facts.get(name)
        return stored === undefined ? null : copy(stored)
      }),
    putState: (name, expected, value) =>
      data.step(() => {
        const version = data.facts.get(name)?.version ?? 0
        if (version !== expected) return false
        data.facts.set(name, { version: version + 1, value: copy(value) })
        return true
      }),

    addPending: (changes) => data.step(() => addPending(data, changes)),
    pending: (source) =>
      data.step(() =>
        [...data.pending.values()]
          .filter((change) => source === undefined || change.source === source)
          .sort((a, b) => a.at - b.at || compareText(a.source, b.source) || compareRefs(a.entity, b.entity))
          .map(copy),
      ),

    identities: ({ source, entity, decidedBy, below, limit }) =>
      data.step(() =>
        [...data.identities.values()]
          .filter(
            (identity) =>
              (source === undefined || identity.source === source) &&
              (entity === undefined || entityId(identity.entity) === entityId(entity)) &&
              (decidedBy === undefined || identity.decidedBy === decidedBy) &&
              (below === undefined || identity.confidence < below),
          )
          .sort((a, b) => compareText(a.source, b.source) || compareRefs(a.entity, b.entity))
          .slice(0, limit)
          .map(copy),
      ),
    identitiesOf: (source, entities) =>
      data.step(() =>
        entities.flatMap((entity) => {
          const identity = data.identities.get(pairKey(source, entity))
          return identity === undefined ? [] : [copy(identity)]
        }),
      ),
    putIdentities: (identities) => data.step(() => putIdentities(data, identities)),
    clearIdentity: (source, entity) => data.step(() => data.removeIdentity(source, entity)),

    addQuarantine: (items) =>
      data.step(() => {
        for (const { id, origin, where, reason, payload, at } of items) {
          if (!data.quarantine.has(id))
            data.quarantine.set(id, {
              id,
              origin,
              where,
              reason,
              payload: capUtf8(payload, MAX_QUARANTINE_BYTES),
              at,
              state: 'open',
            })
        }
      }),
    quarantine: ({ origin, state, limit }) =>
      data.step(() =>
        [...data.quarantine.values()]
          .filter((item) => (origin === undefined || item.origin === origin) && (state === undefined || item.state === state))
          .sort((a, b) => b.at - a.at || compareText(a.id, b.id))
          .slice(0, limit),
      ),
    setQuarantineState: (id, state) =>
      data.step(() => {
        const item = data.quarantine.get(id)
        if (item !== undefined) data.quarantine.set(id, { ...item, state })
        return item !== undefined
      }),

    startRun: ({ runId, startedAt, command }) =>
      data.step(() => {
        if (!data.runs.has(runId)) data.runs.set(runId, { runId, startedAt, finishedAt: null, command, report: null })
      }),
    finishRun: (runId, report) =>
      data.step(() => {
        const run = data.runs.get(runId)
        if (run === undefined) throw unknownRun(runId)
        data.runs.set(runId, { ...run, finishedAt: report.finishedAt, report: copy(report) })
      }),
    runs: (limit) =>
      data.step(() =>
        [...data.runs.values()]
          .sort((a, b) => b.startedAt - a.startedAt || compareText(b.runId, a.runId))
          .slice(0, limit)
          .map(copy),
      ),

    addIngest: (ingest) =>
      data.step(() => {
        data.ingests.set(ingest.ingestId, copy(ingest))
      }),
    ingests: (limit) =>
      data.step(() =>
        [...data.ingests.values()]
          .sort((a, b) => b.at - a.at || compareText(b.ingestId, a.ingestId))
          .slice(0, limit)
          .map(copy),
      ),
  }
}
