/** The SEC's number of a filer. Written with and without leading zeros, as text and as number; ours has ten digits. */
import type { JsonValue } from '../../model/json.ts'

/** `320193`, `"0000320193"` -> `0000320193`; null when it is none. */
export function paddedCik(value: JsonValue | undefined): string | null {
  const text = typeof value === 'number' ? String(value) : value
  return typeof text === 'string' && /^\d{1,10}$/.test(text) && /[1-9]/.test(text) ? text.padStart(10, '0') : null
}
