import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { EXIT_CODES } from '../../model/errors.ts'
import { EVENT_KINDS } from '../../model/record.ts'
import type { EventQuery, LedgerStore } from '../../stores/store.ts'
import * as arg from '../arguments.ts'
import { defineCommand, flag, list, text } from '../command.ts'
import type { CliContext } from '../context.ts'
import { eventDocument } from '../documents.ts'
import { findEntity } from '../find-entity.ts'
import { instant, jsonChange, plainText } from '../format.ts'
import { lastPosition, latestEvents, type PositionedEvent } from '../latest-events.ts'
import { knownSource } from '../selection.ts'
import { showStream } from '../stream-document.ts'

const FOLLOW_INTERVAL_MS = 1_000
const PAGE = 500

export const events = defineCommand({
  name: 'events',
  summary: 'Show what changed: one event per change, with old and new value of each field',
  description:
    'Without --since, --after or --run: the newest events. With one of them: forward from there, oldest first. --follow goes on printing new events until Ctrl-C; with --json they become lines of one document, which is closed at the end.',
  options: {
    source: text('Only of this source', 'SOURCE'),
    entity: text('Only about this entity, e.g. company:uei:ABCDEFGHIJK1', 'KIND:KEY', arg.entity),
    kind: list(
      'Only of this kind: created, changed, absent, returned',
      'KIND',
      z.enum(EVENT_KINDS, `must be one of ${EVENT_KINDS.join(', ')}`),
    ),
    since: text('Forward from a time ago (24h), a UTC day or a UTC moment', 'WHEN', arg.moment),
    after: text('Forward from this position (last_position of an earlier answer)', 'POSITION', arg.wholeNumber),
    run: text('Only of this run', 'ID'),
    limit: text('At most so many; default: 50', 'N', arg.count),
    follow: flag('Go on with new ones until stopped'),
  },
  examples: [
    { command: 'events --since 24h', does: 'What changed in the last day.' },
    { command: 'events --entity company:uei:ABCDEFGHIJK1', does: 'The history of one company.' },
    { command: 'events --source usaspending --kind changed --json', does: 'The newest changes at one source, as data.' },
    { command: 'events --follow', does: 'Watch changes as they are found.' },
  ],
  async handler(context, args) {
    const loaded = await context.config()
    const engine = await context.engine({ readOnly: true })
    const { store } = engine
    const limit = args.limit ?? 50
    const filter: Omit<EventQuery, 'after' | 'limit'> = {
      ...(args.source === undefined ? {} : { source: knownSource(args.source, loaded) }),
      ...(args.entity === undefined ? {} : { entity: await findEntity(store, args.entity) }),
      ...(args.kind.length === 0 ? {} : { kinds: args.kind }),
      ...(args.since === undefined ? {} : { since: arg.momentAt(args.since, engine.clock.now()) }),
      ...(args.run === undefined ? {} : { runId: args.run }),
    }
    const forward = args.since !== undefined || args.after !== undefined || args.run !== undefined
    const state: Cursor = { position: args.after ?? null, shown: 0, more: false }
    const selected = forward ? readForward(store, filter, limit, state) : readLatest(store, filter, limit, state)
    const items = args.follow ? andFollow(selected, store, filter, state, forward, context) : selected
    if (context.json) {
      const rest = () => ({ last_position: state.position, more: state.more })
      await showStream(context, 'events', items, eventDocument, rest, { live: args.follow })
      return endOf(args.follow, context)
    }
    for await (const event of items) {
      if (context.out.closed) break
      await context.out.write(context.world.scrubber.scrub(eventText(event)))
      if (args.follow) await context.out.flush()
    }
    await context.out.flush()
    if (args.follow) return endOf(true, context)
    if (state.shown === 0) context.note('No event fits.')
    else if (state.more)
      context.note(forward ? `More: --after ${state.position}` : `There are older ones: --limit ${limit * 10}, or --since 30d`)
    return 0
  },
})

/** Following ends by a signal, which is its exit code, or because nobody reads any more, which is none. */
function endOf(followed: boolean, { signal }: CliContext): number {
  return followed && signal.aborted ? EXIT_CODES.interrupted : 0
}

/** Where reading stands; filled while the events are read. */
type Cursor = { position: number | null; shown: number; more: boolean }
type Filter = Omit<EventQuery, 'after' | 'limit'>

async function* readForward(
  store: Pick<LedgerStore, 'events'>,
  filter: Filter,
  limit: number,
  state: Cursor,
): AsyncGenerator<PositionedEvent> {
  for await (const event of store.events({ ...filter, after: state.position ?? 0, limit: limit + 1 })) {
    if (state.shown === limit) {
      state.more = true
      return
    }
    state.position = event.position
    state.shown += 1
    yield event
  }
}

async function* readLatest(
  store: Pick<LedgerStore, 'events'>,
  filter: Filter,
  limit: number,
  state: Cursor,
): AsyncGenerator<PositionedEvent> {
  const latest = await latestEvents(store, filter, limit)
  state.more = latest.more
  for (const event of latest.events) {
    state.position = event.position
    state.shown += 1
    yield event
  }
}

/** What was selected, then everything that is committed from then on. */
async function* andFollow(
  selected: AsyncIterable<PositionedEvent>,
  store: Pick<LedgerStore, 'events'>,
  filter: Filter,
  state: Cursor,
  forward: boolean,
  { signal, out }: CliContext,
): AsyncGenerator<PositionedEvent> {
  const end = await lastPosition(store)
  yield* selected
  // Nothing between the last one shown and the end fits the filter, unless the limit cut forward reading off.
  let after = forward && state.more ? (state.position ?? 0) : Math.max(end, state.position ?? 0)
  state.more = false
  while (!signal.aborted && !out.closed) {
    let found = 0
    for await (const event of store.events({ ...filter, after, limit: PAGE })) {
      after = event.position
      state.position = event.position
      state.shown += 1
      found += 1
      yield event
      if (signal.aborted) return
    }
    if (found < PAGE) await sleep(FOLLOW_INTERVAL_MS, undefined, { signal }).catch(() => {})
  }
}

export function eventText(event: PositionedEvent): string {
  const sure = event.confidence < 1 ? ` (confidence ${event.confidence}, ${event.confidenceMethod})` : ''
  const head = `${instant(event.at)} ${event.source} ${event.kind} ${event.entity.kind}:${event.entity.key}${sure}`
  const changes = event.changes.map(({ path, old, new: now }) => `    ${plainText(path)}: ${plainText(jsonChange(old, now))}\n`)
  return `${plainText(head)}\n${changes.join('')}`
}
