import type { SourceAdapter } from '../../adapters/adapter.ts'
import type { Config } from '../../config/schema.ts'
import type { Identity } from '../../model/entity.ts'
import { EngineError } from '../../model/errors.ts'
import type { EntityRef, SourceId } from '../../model/keys.ts'
import { type LedgerEntry, UNRESOLVED_ERROR } from '../../model/ledger.ts'
import { configuredSource, identitySourceNamed } from '../../source-names.ts'
import type { Store, WorkItem } from '../../stores/store.ts'
import * as arg from '../arguments.ts'
import { defineCommand, flag, requiredText, text } from '../command.ts'
import { entityDocument, identityDocument } from '../documents.ts'
import type { EngineHandle } from '../engine.ts'
import { findEntity } from '../find-entity.ts'
import { instant, jsonValue, percent, plainText } from '../format.ts'
import { configuredSources, knownSource } from '../selection.ts'
import { type Column, formatTable } from '../table.ts'

const sourceNeeded = requiredText('At this source', 'SOURCE')
const entityNeeded = requiredText('This entity, e.g. company:uei:ABCDEFGHIJK1', 'KIND:KEY', arg.entity)

export const identitiesList = defineCommand({
  name: 'identities list',
  summary: 'List how sources know our entities',
  options: {
    source: text('Only at this source', 'SOURCE'),
    user: flag('Only those that a user decided'),
    below: text('Only those with a confidence below this', 'SHARE', arg.share),
    unresolved: flag('Instead, the entities that sources cannot be asked about, each with the reason and the best match so far'),
    limit: text('At most so many; default: 100', 'N', arg.count),
  },
  examples: [
    { command: 'identities list --source usaspending --below 0.9', does: 'What is worth a look by a person.' },
    { command: 'identities list --user', does: 'What people decided.' },
    { command: 'identities list --unresolved --limit 20', does: 'What waits for a decision, and what no decision would help.' },
  ],
  async handler(context, args) {
    const loaded = await context.config()
    if (args.unresolved && (args.user || args.below !== undefined)) {
      throw new EngineError('usage', 'usage', '--unresolved goes with neither --user nor --below', {
        hint: 'it lists entities, whether there is an identity or not',
      })
    }
    const { store } = await context.engine({ readOnly: true })
    const limit = args.limit ?? 100
    if (args.unresolved) {
      const sources = configuredSources(args.source === undefined ? [] : [args.source], loaded)
      const found = await unresolvedAt(store, sources, limit + 1)
      const shown = found.slice(0, limit)
      const document = { identities: [], unresolved: shown.map(unresolvedDocument), more: found.length > limit }
      await context.show(document, () =>
        shown.length === 0
          ? 'No entity is unresolved.\n'
          : formatTable(shown, UNRESOLVED_COLUMNS, context.tableWidth, context.bold),
      )
      if (found.length > limit) context.note(`There are more: --limit ${limit * 10}`)
      return
    }
    const source = args.source === undefined ? {} : { source: configuredSource(loaded.config, knownSource(args.source, loaded)) }
    const found = await store.identities({
      ...source,
      ...(args.user ? { decidedBy: 'user' as const } : {}),
      ...(args.below === undefined ? {} : { below: args.below }),
      limit: limit + 1,
    })
    const shown = found.slice(0, limit)
    const document = { identities: shown.map(identityDocument), unresolved: [], more: found.length > limit }
    await context.show(document, () =>
      shown.length === 0 ? 'No identity fits.\n' : formatTable(shown, COLUMNS, context.tableWidth, context.bold),
    )
    if (found.length > limit) context.note(`There are more: --limit ${limit * 10}`)
  },
})

export const identitiesShow = defineCommand({
  name: 'identities show',
  summary: 'Show how each source knows one entity, with evidence and the alternatives that were not taken',
  options: { entity: entityNeeded, source: text('Only at this source', 'SOURCE') },
  examples: [
    { command: 'identities show --entity award:award_id:FA865114C0132', does: 'Why this award is tied to that record.' },
  ],
  async handler(context, args) {
    const loaded = await context.config()
    const sources = configuredSources(args.source === undefined ? [] : [args.source], loaded)
    const { store } = await context.engine({ readOnly: true })
    const entity = await findEntity(store, args.entity)
    const found = (await store.identities({ entity, limit: 1000 })).filter((row) => sources.includes(row.source))
    const rows = await Promise.all(sources.map((source) => store.items(source, [entity])))
    const unresolved = rows.flat().filter(({ entry }) => isUnresolved(entry))
    const document = { identities: found.map(identityDocument), unresolved: unresolved.map(unresolvedDocument), more: false }
    await context.show(document, () => {
      const known = found.map(identityText)
      const waiting = unresolved
        .map(({ entry }) => plainText(`${entry.source}: cannot be asked, ${entry.error ?? ''}`))
        .map((line) => `${line}\n`)
      return known.length + waiting.length === 0
        ? `${entity.kind}:${plainText(entity.key)} is known to no source yet.\n`
        : [...known, ...waiting].join('\n')
    })
  },
})

/** Rows that sources cannot be asked about, source by source, at most so many in all. */
async function unresolvedAt(store: Store, sources: readonly SourceId[], limit: number): Promise<readonly WorkItem[]> {
  const found: WorkItem[] = []
  for (const source of sources) {
    if (found.length >= limit) break
    found.push(...(await store.unresolved(source, limit - found.length)))
  }
  return found
}

function isUnresolved({ outcome, lastAttemptAt, errorClass }: LedgerEntry): boolean {
  return outcome === 'skipped' && (lastAttemptAt === null || errorClass === UNRESOLVED_ERROR)
}

function unresolvedDocument({ entry, identity }: WorkItem) {
  return {
    source: entry.source,
    ...entityDocument(entry.entity),
    reason: entry.error ?? '',
    identity: identity === null ? null : identityDocument(identity),
  }
}

const UNRESOLVED_COLUMNS: readonly Column<WorkItem>[] = [
  { title: 'source', value: ({ entry }) => entry.source },
  { title: 'entity', value: ({ entry }) => `${entry.entity.kind}:${entry.entity.key}` },
  { title: 'why', value: ({ entry }) => entry.error ?? '', flexible: true },
]

export const identitiesSet = defineCommand({
  name: 'identities set',
  summary: 'Decide which record of a source is about an entity',
  description:
    'Outranks what is computed, now and later. The entity becomes due at the source at once. Undo it with `identities clear`.',
  options: {
    source: sourceNeeded,
    entity: entityNeeded,
    'provider-key': requiredText('The key the source has for it', 'KEY'),
    reason: requiredText('Why, for whoever looks later', 'TEXT'),
    confidence: text('How sure; default: 1', 'SHARE', arg.share),
  },
  examples: [
    {
      command:
        'identities set --source usaspending --entity award:award_id:FA865114C0132 --provider-key CONT_AWD_FA865114C0132_9700_-NONE-_-NONE- --reason "checked by hand"',
      does: 'Tie the award to that record.',
    },
  ],
  async handler(context, args) {
    const { config } = await context.config()
    const source = configuredSource(config, knownSource(args.source, { config }))
    const adapter = await adapterOf(config, source)
    const providerKey = keyAt(adapter, source, args['provider-key'])
    const engine = await context.engine()
    const entity = await findEntity(engine.store, args.entity)
    refuseOtherKinds(adapter, source, entity)
    const identity: Identity = {
      source,
      entity,
      providerKey,
      method: 'user',
      confidence: args.confidence ?? 1,
      evidence: { reason: args.reason },
      alternatives: await formerAlternatives(engine, source, entity),
      resolvedAt: engine.clock.now(),
      decidedBy: 'user',
    }
    await engine.store.putIdentities([identity])
    const reason = `identity set by a user: ${args.reason}`
    const isDue = await makeDue(engine, source, entity, reason)
    await makeIdentityDue(engine, source, entity, reason)
    await context.show({ identity: identityDocument(identity) }, () => identityText(identity))
    context.note(
      isDue
        ? 'The entity is due at the source now; `refresh` asks again.'
        : 'The entity has no place at the source yet; the next `plan` or `refresh` gives it one.',
    )
  },
})

export const identitiesClear = defineCommand({
  name: 'identities clear',
  summary: 'Forget how a source knows an entity; the next refresh works it out again',
  options: { source: sourceNeeded, entity: entityNeeded },
  examples: [
    { command: 'identities clear --source usaspending --entity award:award_id:FA865114C0132', does: 'Take a decision back.' },
  ],
  async handler(context, args) {
    const { config } = await context.config()
    const source = configuredSource(config, knownSource(args.source, { config }))
    const engine = await context.engine()
    const entity = await findEntity(engine.store, args.entity)
    const cleared = await engine.store.clearIdentity(source, entity)
    if (cleared) {
      await makeDue(engine, source, entity, 'identity cleared by a user')
      await makeIdentityDue(engine, source, entity, 'identity cleared by a user')
    }
    await context.show({ source, ...entityDocument(entity), cleared }, () =>
      cleared ? 'Cleared. The entity is due at the source now.\n' : 'There was none.\n',
    )
  },
})

async function adapterOf(config: Config, source: SourceId): Promise<SourceAdapter | undefined> {
  const { ADAPTERS } = await import('../../adapters/registry.ts')
  return ADAPTERS.find(({ id }) => id === config.enrichment[source]?.adapter)
}

/**
 * The key as the source writes it. One that would break the source's requests, or mean another record there, is refused before anything is
 * stored.
 */
function keyAt(adapter: SourceAdapter | undefined, source: SourceId, text: string): string {
  const key = adapter?.readProviderKey?.(text) ?? text
  const problem = adapter?.providerKeyProblem?.(key) ?? null
  if (problem === null) return key
  throw new EngineError('usage', 'bad_provider_key', `--provider-key is no key of ${source}: ${problem}`, {
    hint: 'give the key as `identities show` or the source itself writes it',
  })
}

/** What the source is never asked about would be decided in vain. */
function refuseOtherKinds(adapter: SourceAdapter | undefined, source: SourceId, { kind }: EntityRef): void {
  if (adapter === undefined) return
  const kinds = [...new Set([...adapter.entityKinds, ...(adapter.resolve?.entityKinds ?? [])])]
  if (kinds.includes(kind)) return
  throw new EngineError(
    'usage',
    'other_kind',
    `${source} is not asked about any ${kind}: it knows entities of kind ${kinds.join(', ')}`,
    {
      hint: 'name the source that is asked about it: `sources list` says which kinds each one knows',
    },
  )
}

/** A decision of today must not wait for the cadence. False when the entity has no ledger row at the source yet. */
async function makeDue({ store, clock }: EngineHandle, source: SourceId, entity: EntityRef, reason: string): Promise<boolean> {
  try {
    await store.addPending([{ source, entity, reason, at: clock.now(), by: 'user' }])
    return true
  } catch (error) {
    if (error instanceof EngineError && error.code === 'unknown_entity') return false
    throw error
  }
}

/** Where identities are looked for, the search follows what people decide. */
async function makeIdentityDue(engine: EngineHandle, source: SourceId, entity: EntityRef, reason: string): Promise<void> {
  const identities = identitySourceNamed(engine.config, source)
  if (identities !== null) await makeDue(engine, identities, entity, reason)
}

/** What a person overrules stays visible beside the decision. */
async function formerAlternatives(
  { store }: EngineHandle,
  source: SourceId,
  entity: EntityRef,
): Promise<Identity['alternatives']> {
  const [former] = await store.identities({ source, entity, limit: 1 })
  if (former === undefined || former.providerKey === '') return []
  if (former.decidedBy === 'user') return former.alternatives
  return [{ provider_key: former.providerKey, method: former.method, confidence: former.confidence }, ...former.alternatives]
}

const COLUMNS: readonly Column<Identity>[] = [
  { title: 'source', value: (row) => row.source },
  { title: 'entity', value: (row) => `${row.entity.kind}:${row.entity.key}`, flexible: true },
  { title: 'provider key', value: (row) => (row.providerKey === '' ? '(none)' : row.providerKey), flexible: true },
  { title: 'method', value: (row) => row.method },
  { title: 'confidence', value: (row) => percent(row.confidence), align: 'right' },
  { title: 'decided by', value: (row) => row.decidedBy },
  { title: 'at', value: (row) => instant(row.resolvedAt) },
]

function identityText(row: Identity): string {
  const lines = [
    `${row.source}: ${row.entity.kind}:${row.entity.key}`,
    row.providerKey === '' ? '  is not known there' : `  is ${row.providerKey}`,
    `  by ${row.method}, confidence ${percent(row.confidence)}, decided by ${row.decidedBy} at ${instant(row.resolvedAt)}`,
    `  evidence ${jsonValue(row.evidence, 400)}`,
    ...row.alternatives.map((other) => `  not taken ${jsonValue(other, 400)}`),
  ]
  return lines.map((line) => `${plainText(line)}\n`).join('')
}
