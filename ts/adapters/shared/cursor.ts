/** Cursors of our own making: JSON, so that they survive a checkpoint and can be read by a person. */
import { EngineError } from '../../model/errors.ts'
import { isJsonObject, type JsonObject } from '../../model/json.ts'

export function writeCursor(place: JsonObject): string {
  return JSON.stringify(place)
}

/** Throws `EngineError` (`bad_cursor`) for text that no adapter wrote: a damaged or foreign checkpoint. */
export function readCursor(cursor: string): JsonObject {
  try {
    const place: unknown = JSON.parse(cursor)
    if (isJsonObject(place)) return place
  } catch {
    // Reported below, with what to do about it.
  }
  throw badCursor(cursor)
}

export function badCursor(cursor: string): EngineError {
  return new EngineError('configuration', 'bad_cursor', `"${cursor.slice(0, 80)}" is no place that a pass can go on from`, {
    hint: 'reset the checkpoint of the partition; the next run begins a new pass',
  })
}
