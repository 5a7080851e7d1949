/** From what a person types to one entity of ours: its key, or any key it is also known by. */
import { EngineError } from '../model/errors.ts'
import type { EntityRef } from '../model/keys.ts'
import type { PopulationStore } from '../stores/store.ts'

export async function findEntity(
  store: Pick<PopulationStore, 'entity' | 'entitiesByAlias'>,
  written: EntityRef,
): Promise<EntityRef> {
  const direct = await store.entity(written)
  if (direct !== null) return { kind: direct.kind, key: direct.key }
  const matches = (await store.entitiesByAlias(written.kind, [written.key])).get(written.key) ?? []
  const [only] = matches
  if (only !== undefined && matches.length === 1) return { kind: only.kind, key: only.key }
  if (matches.length > 1) {
    const keys = matches.slice(0, 5).map((entity) => `${entity.kind}:${entity.key}`)
    throw new EngineError(
      'usage',
      'ambiguous_entity',
      `"${written.key}" is shared by ${matches.length} ${written.kind} entities`,
      {
        hint: `name one by its own key: ${keys.join(', ')}${matches.length > keys.length ? ', …' : ''}`,
      },
    )
  }
  throw new EngineError('usage', 'unknown_entity', `there is no ${written.kind} with the key or alias "${written.key}"`, {
    hint: 'keys look like company:uei:ABCDEFGHIJK1, award:v1:<hash>, domain:example.com; an award is also found by award:award_id:<contract>',
  })
}
