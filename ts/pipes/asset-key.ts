/**
 * Asset keys as text: parts joined by `/`, with `\/` and `\\` for a slash and a backslash inside a part (Dagster's "escaped
 * user string").
 */
import { DagsterPipesError } from './protocol.ts'

export function formatAssetKey(parts: readonly string[]): string {
  return parts.map((part) => part.replaceAll('\\', '\\\\').replaceAll('/', '\\/')).join('/')
}

/** The inverse. An escape in front of any other character stands for that character, as in Dagster. */
export function parseAssetKey(text: string): readonly string[] {
  const parts: string[] = []
  let part = ''
  let isEscaped = false
  for (const char of text) {
    if (isEscaped) {
      part += char
      isEscaped = false
    } else if (char === '\\') isEscaped = true
    else if (char === '/') {
      parts.push(part)
      part = ''
    } else part += char
  }
  // A slash at the end adds no part, as in Dagster.
  return part === '' ? parts : [...parts, part]
}

/** One text per key, however it was escaped. */
function canonical(key: string): string {
  return formatAssetKey(parseAssetKey(key))
}

/** The key that a report is about, as Dagster wrote it: the one given, else the only one of the step. */
export function resolveAssetKey(known: readonly string[] | null, given: string | null | undefined, method: string): string {
  const wanted = given ?? null
  if (wanted === null) {
    if (known === null || known.length === 0)
      throw new DagsterPipesError(`${method} needs an asset key: the step does not target an asset`)
    if (known.length > 1)
      throw new DagsterPipesError(`${method} needs an asset key: the step targets several (${known.join(', ')})`)
    return known[0]!
  }
  if (known === null) return canonical(wanted)
  const found = known.find((key) => canonical(key) === canonical(wanted))
  if (found === undefined)
    throw new DagsterPipesError(`${method}: "${wanted}" is not an asset of the step; expected one of ${known.join(', ')}`)
  return found
}
