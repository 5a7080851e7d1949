import { EngineError } from '../../model/errors.ts'
import { UNRESOLVED_COHORT } from '../../refresh/cohort.ts'
import type { PendingChange } from '../../stores/store.ts'
import * as arg from '../arguments.ts'
import { defineCommand, list, requiredText, text } from '../command.ts'
import { pendingDocument } from '../documents.ts'
import { findEntity } from '../find-entity.ts'
import { instant, plural } from '../format.ts'
import { PROGRAM } from '../help.ts'
import { knownSource } from '../selection.ts'
import { type Column, formatTable } from '../table.ts'

export const pendingAdd = defineCommand({
  name: 'pending add',
  summary: "Say that an entity's status may have changed at a source; it is due at once",
  description:
    'The entity counts as stale at the source until the next success there, which closes the entry. An entry that is open already stays as it is.',
  options: {
    source: requiredText('At this source', 'SOURCE'),
    entity: list('This entity, e.g. company:uei:ABCDEFGHIJK1', 'KIND:KEY', arg.entity),
    reason: requiredText('What was heard, for whoever looks later', 'TEXT'),
  },
  examples: [
    {
      command: 'pending add --source sam_gov --entity company:uei:ABCDEFGHIJK1 --reason "letter about debarment"',
      does: 'Ask SAM.gov about the company with the next refresh.',
    },
  ],
  async handler(context, args) {
    const source = knownSource(args.source, await context.config())
    if (args.entity.length === 0) {
      throw new EngineError('usage', 'usage', '--entity is needed', { hint: `see: ${PROGRAM} pending add --help` })
    }
    const engine = await context.engine()
    const at = engine.clock.now()
    const entries: PendingChange[] = []
    for (const written of args.entity) {
      entries.push({ source, entity: await findEntity(engine.store, written), reason: args.reason, at, by: 'user' })
    }
    const added = await engine.store.addPending(entries)
    const document = { added, already_open: entries.length - added, entries: entries.map(pendingDocument) }
    await context.show(
      document,
      () =>
        `${plural(added, 'entry', 'entries')} opened${added < entries.length ? `, ${entries.length - added} already open` : ''}.\n`,
    )
    const waiting: string[] = []
    for (const { entity } of entries) {
      const [item] = await engine.store.items(source, [entity])
      if (item?.entry.cohort === UNRESOLVED_COHORT)
        waiting.push(`${entity.kind}:${entity.key} (${item.entry.error ?? 'not resolvable'})`)
    }
    if (waiting.length > 0)
      context.note(
        `${source} cannot be asked about ${waiting.join(', ')}: the entry stays open until it can. See: ${PROGRAM} identities list --unresolved`,
      )
    if (waiting.length < entries.length) context.note(`Due now: refresh --source ${source}`)
  },
})

export const pendingList = defineCommand({
  name: 'pending list',
  summary: 'List open status-change entries',
  options: { source: text('Only at this source', 'SOURCE') },
  examples: [{ command: 'pending list', does: 'What waits for a look, and why.' }],
  async handler(context, args) {
    const source = args.source === undefined ? undefined : knownSource(args.source, await context.config())
    const { store } = await context.engine({ readOnly: true })
    const entries = await store.pending(source)
    await context.show({ pending: entries.map(pendingDocument) }, () =>
      entries.length === 0 ? 'Nothing is pending.\n' : formatTable(entries, COLUMNS, context.tableWidth, context.bold),
    )
  },
})

const COLUMNS: readonly Column<PendingChange>[] = [
  { title: 'source', value: (row) => row.source },
  { title: 'entity', value: (row) => `${row.entity.kind}:${row.entity.key}`, flexible: true },
  { title: 'since', value: (row) => instant(row.at) },
  { title: 'by', value: (row) => row.by },
  { title: 'reason', value: (row) => row.reason, flexible: true },
]
