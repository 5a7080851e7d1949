/**
 * Sources that can also be asked without an identity place their entities without looking at identities, which there may be hundreds of
 * thousands of. Once a stored key of theirs was refused they look: the entity waits like any other that cannot be asked about, and is
 * asked about again as soon as its identity is set or cleared.
 */
import type { SourceAdapter } from '../adapters/adapter.ts'
import type { SourceId } from '../model/keys.ts'
import type { SmallStore } from '../stores/store.ts'

const factName = (source: SourceId): string => `refused_keys:${source}`

/** To be called before the first such entity is set aside. Idempotent. */
export async function noteRefusedKey(store: Pick<SmallStore, 'putState'>, source: SourceId): Promise<void> {
  await store.putState(factName(source), 0, true)
}

/** The text by which the store places by identity at such a source; undefined while no key was refused there. */
export async function keyRuleText(
  store: Pick<SmallStore, 'getState'>,
  { id, resolvesFor, providerKeyProblem }: Pick<SourceAdapter, 'id' | 'resolvesFor' | 'providerKeyProblem'>,
): Promise<string | undefined> {
  if (resolvesFor !== undefined || providerKeyProblem === undefined) return undefined
  return (await store.getState(factName(id))) === null ? undefined : 'keys 1'
}
