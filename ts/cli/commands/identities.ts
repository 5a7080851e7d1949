import type { Identity } from '../../model/entity.ts'
import { EngineError } from '../../model/errors.ts'
import type { EntityRef, SourceId } from '../../model/keys.ts'
import * as arg from '../arguments.ts'
import { defineCommand, flag, requiredText, text } from '../command.ts'
import { entityDocument, identityDocument } from '../documents.ts'
import type { EngineHandle } from '../engine.ts'
import { findEntity } from '../find-entity.ts'
import { instant, jsonValue, percent, plainText } from '../format.ts'
import { knownSource } from '../selection.ts'
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
    limit: text('At most so many; default: 100', 'N', arg.count),
  },
  examples: [
    { command: 'identities list --source usaspending --below 0.9', does: 'What is worth a look by a person.' },
    { command: 'identities list --user', does: 'What people decided.' },
  ],
  async handler(context, args) {
    const loaded = await context.config()
    const source = args.source === undefined ? {} : { source: knownSource(args.source, loaded) }
    const { store } = await context.engine({ readOnly: true })
    const limit = args.limit ?? 100
    const filtered = args.user || args.below !== undefined
    // The store knows no such filter, so all are looked through; what is shown stays within the limit.
    const found = await store.identities({ ...source, limit: filtered ? Number.MAX_SAFE_INTEGER : limit + 1 })
    const fitting = found.filter(
      (row) => (!args.user || row.decidedBy === 'user') && (args.below === undefined || row.confidence < args.below),
    )
    const shown = fitting.slice(0, limit)
    await context.show({ identities: shown.map(identityDocument), more: fitting.length > limit }, () =>
      shown.length === 0 ? 'No identity fits.\n' : formatTable(shown, COLUMNS, context.tableWidth, context.bold),
    )
    if (fitting.length > limit) context.note(`There are more: --limit ${limit * 10}`)
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
    const source = args.source === undefined ? {} : { source: knownSource(args.source, loaded) }
    const { store } = await context.engine({ readOnly: true })
    const entity = await findEntity(store, args.entity)
    const found = await store.identities({ ...source, entity, limit: 1000 })
    await context.show({ identities: found.map(identityDocument), more: false }, () =>
      found.length === 0
        ? `${entity.kind}:${plainText(entity.key)} is known to no source yet.\n`
        : found.map(identityText).join('\n'),
    )
  },
})

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
    const source = knownSource(args.source, await context.config())
    const engine = await context.engine()
    const entity = await findEntity(engine.store, args.entity)
    const identity: Identity = {
      source,
      entity,
      providerKey: args['provider-key'],
      method: 'user',
      confidence: args.confidence ?? 1,
      evidence: { reason: args.reason },
      alternatives: await formerAlternatives(engine, source, entity),
      resolvedAt: engine.clock.now(),
      decidedBy: 'user',
    }
    await engine.store.putIdentities([identity])
    const isDue = await makeDue(engine, source, entity, `identity set by a user: ${args.reason}`)
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
    const source = knownSource(args.source, await context.config())
    const engine = await context.engine()
    const entity = await findEntity(engine.store, args.entity)
    const cleared = await engine.store.clearIdentity(source, entity)
    if (cleared) await makeDue(engine, source, entity, 'identity cleared by a user')
    await context.show({ source, ...entityDocument(entity), cleared }, () =>
      cleared ? 'Cleared. The entity is due at the source now.\n' : 'There was none.\n',
    )
  },
})

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

/** What a person overrules stays visible beside the decision. */
async function formerAlternatives(
  { store }: EngineHandle,
  source: SourceId,
  entity: EntityRef,
): Promise<Identity['alternatives']> {
  const [former] = await store.identities({ source, entity, limit: 1 })
  if (former === undefined) return []
  if (former.decidedBy === 'user') return former.alternatives
  return [{ provider_key: former.providerKey, method: former.method, confidence: former.confidence }, ...former.alternatives]
}

const COLUMNS: readonly Column<Identity>[] = [
  { title: 'source', value: (row) => row.source },
  { title: 'entity', value: (row) => `${row.entity.kind}:${row.entity.key}`, flexible: true },
  { title: 'provider key', value: (row) => row.providerKey, flexible: true },
  { title: 'method', value: (row) => row.method },
  { title: 'confidence', value: (row) => percent(row.confidence), align: 'right' },
  { title: 'decided by', value: (row) => row.decidedBy },
  { title: 'at', value: (row) => instant(row.resolvedAt) },
]

function identityText(row: Identity): string {
  const lines = [
    `${row.source}: ${row.entity.kind}:${row.entity.key}`,
    `  is ${row.providerKey}`,
    `  by ${row.method}, confidence ${percent(row.confidence)}, decided by ${row.decidedBy} at ${instant(row.resolvedAt)}`,
    `  evidence ${jsonValue(row.evidence, 400)}`,
    ...row.alternatives.map((other) => `  not taken ${jsonValue(other, 400)}`),
  ]
  return lines.map((line) => `${plainText(line)}\n`).join('')
}
