import { z } from 'zod'
import { EngineError, isEngineError } from '../../model/errors.ts'
import type { JsonValue } from '../../model/json.ts'
import { isJsonObject } from '../../model/json.ts'
import { type EntityRef, isEntityKind } from '../../model/keys.ts'
import { sourceNames } from '../../source-names.ts'
import type { QuarantineItem, Store } from '../../stores/store.ts'
import * as arg from '../arguments.ts'
import { defineCommand, positional, positionals, text } from '../command.ts'
import { quarantineDocument } from '../documents.ts'
import { instant, plainLines, plural } from '../format.ts'
import { PROGRAM } from '../help.ts'
import { type Column, formatTable } from '../table.ts'

const STATES = ['open', 'replayed', 'dropped'] as const

export const quarantineList = defineCommand({
  name: 'quarantine list',
  summary: 'List what was refused: rows of files and answers of sources that could not be used',
  options: {
    origin: text('Only of this source, or `ingest`', 'ORIGIN'),
    status: text('open (default), replayed or dropped', 'STATUS', z.enum(STATES, `must be one of ${STATES.join(', ')}`)),
    limit: text('At most so many; default: 100', 'N', arg.count),
  },
  examples: [
    { command: 'quarantine list', does: 'What waits for a decision.' },
    { command: 'quarantine list --origin ingest --json', does: 'Rows of files with their lines, as data.' },
  ],
  async handler(context, args) {
    const { store } = await context.engine({ readOnly: true })
    const limit = args.limit ?? 100
    const found = await store.quarantine({
      ...(args.origin === undefined ? {} : { origin: args.origin }),
      state: args.status ?? 'open',
      limit: limit + 1,
    })
    const shown = found.slice(0, limit)
    const items = shown.map((item) => ({ ...quarantineDocument(item), payload_bytes: Buffer.byteLength(item.payload) }))
    await context.show({ items, more: found.length > limit }, () =>
      shown.length === 0 ? 'Nothing is quarantined.\n' : formatTable(shown, COLUMNS, context.tableWidth, context.bold),
    )
    if (found.length > limit) context.note(`There are more: --limit ${limit * 10}`)
  },
})

export const quarantineShow = defineCommand({
  name: 'quarantine show',
  summary: 'Show one item with what was refused',
  positionals: { id: positional('Id from `quarantine list`', 'ID') },
  examples: [{ command: 'quarantine show quarantine_20261121T030000_9b01d2', does: 'The row or answer itself.' }],
  async handler(context, { id }) {
    const { store } = await context.engine({ readOnly: true })
    const [item] = await findItems(store, [id])
    const document = { item: { ...quarantineDocument(item!), payload: item!.payload } }
    await context.show(document, () => `${formatTable([item!], COLUMNS, null)}\n${plainLines(item!.payload)}\n`)
  },
})

export const quarantineReplay = defineCommand({
  name: 'quarantine replay',
  summary: 'Ask again about the entities of refused answers',
  description:
    'Their entities become due at the source at once; the next refresh asks again. A row of a file is not replayed but read again: correct it in the file, run `ingest`, then drop the item.',
  positionals: { id: positionals('Ids from `quarantine list`', 'ID') },
  examples: [{ command: 'quarantine replay quarantine_20261121T030000_9b01d2', does: 'Give the source another chance.' }],
  async handler(context, { id }) {
    const engine = await context.engine()
    const items = await findItems(engine.store, id)
    const replayed: string[] = []
    const refused: { id: string; why: string }[] = []
    let made = 0
    for (const item of items) {
      const entities = entitiesOf(item)
      const why = whyNot(item, entities, sourceNames(engine.config))
      if (why !== null) {
        refused.push({ id: item.id, why })
        continue
      }
      for (const entity of entities) made += await makeDue(engine.store, item, entity, engine.clock.now())
      await engine.store.setQuarantineState(item.id, 'replayed')
      replayed.push(item.id)
    }
    await context.show({ replayed, made_due: made, refused }, () => {
      const done = `${plural(replayed.length, 'item')} replayed, ${plural(made, 'entity', 'entities')} due now.\n`
      return done + refused.map((item) => `${item.id}: not replayed, ${item.why}\n`).join('')
    })
    if (made > 0) context.note('Next: refresh')
    return refused.length > 0 ? 1 : 0
  },
})

export const quarantineDrop = defineCommand({
  name: 'quarantine drop',
  summary: 'Settle items: they are kept, but no longer listed as open',
  positionals: { id: positionals('Ids from `quarantine list`', 'ID') },
  examples: [{ command: 'quarantine drop quarantine_20261121T030000_9b01d2', does: 'It was looked at.' }],
  async handler(context, { id }) {
    const { store } = await context.engine()
    const items = await findItems(store, id)
    for (const item of items) await store.setQuarantineState(item.id, 'dropped')
    await context.show({ dropped: items.map((item) => item.id) }, () => `${plural(items.length, 'item')} dropped.\n`)
  },
})

/**
 * The store finds items by origin and state, newest first, and items are large: so ids are looked for among the newest,
 * then among more, and only what is in none of these costs a look at all.
 */
async function findItems(store: Pick<Store, 'quarantine'>, ids: readonly string[]): Promise<readonly QuarantineItem[]> {
  const found = new Map<string, QuarantineItem>()
  const wanted = new Set(ids)
  for (const limit of [200, 5_000, 1_000_000]) {
    const items = await store.quarantine({ limit })
    for (const item of items) if (wanted.has(item.id)) found.set(item.id, item)
    if (found.size === wanted.size || items.length < limit) break
  }
  return [...wanted].map((id) => {
    const item = found.get(id)
    if (item === undefined) {
      throw new EngineError('usage', 'unknown_item', `there is no quarantined item "${id}"`, {
        hint: `see: ${PROGRAM} quarantine list`,
      })
    }
    return item
  })
}

function whyNot(item: QuarantineItem, entities: readonly EntityRef[], sources: readonly string[]): string | null {
  if (item.origin === 'ingest') return 'it is a row of a file: correct the file, run ingest again, then drop this item'
  if (item.state === 'replayed') return 'it was replayed already'
  if (!sources.includes(item.origin)) return `its source ${item.origin} is not registered any more`
  return entities.length === 0 ? 'it names no entity; the next refresh asks again when they are due' : null
}

/** Refused answers are kept with the entities they were about, as `kind/key`. */
function entitiesOf(item: QuarantineItem): readonly EntityRef[] {
  let payload: JsonValue
  try {
    payload = JSON.parse(item.payload) as JsonValue
  } catch {
    return []
  }
  const named = isJsonObject(payload) && Array.isArray(payload['entities']) ? (payload['entities'] as readonly JsonValue[]) : []
  return named.flatMap((id) => {
    if (typeof id !== 'string') return []
    const slash = id.indexOf('/')
    const kind = id.slice(0, Math.max(slash, 0))
    return isEntityKind(kind) ? [{ kind, key: id.slice(slash + 1) }] : []
  })
}

async function makeDue(store: Pick<Store, 'addPending'>, item: QuarantineItem, entity: EntityRef, at: number): Promise<number> {
  try {
    return await store.addPending([{ source: item.origin, entity, reason: `replay of ${item.id}`, at, by: 'user' }])
  } catch (error) {
    // An entity that left the population since cannot be asked about; the others can.
    if (isEngineError(error, 'unknown_entity')) return 0
    throw error
  }
}

const COLUMNS: readonly Column<QuarantineItem>[] = [
  { title: 'id', value: (row) => row.id },
  { title: 'origin', value: (row) => row.origin },
  { title: 'at', value: (row) => instant(row.at) },
  { title: 'state', value: (row) => row.state },
  { title: 'where', value: (row) => row.where, flexible: true },
  { title: 'reason', value: (row) => row.reason, flexible: true },
]
