/** Bounds that both stores keep. */

/** `seenBy` answers for the newest ingests. */
export const SIGHTINGS_KEPT = 16

/** Quarantined payloads are cut to this many bytes of UTF-8. */
export const MAX_QUARANTINE_BYTES = 64 * 1024

/** The text, cut to at most `bytes` of UTF-8 at a whole character. */
export function capUtf8(text: string, bytes: number): string {
  // A UTF-16 unit takes at most 3 bytes, so most texts are not even encoded.
  if (text.length * 3 <= bytes) return text
  const encoded = new TextEncoder().encode(text)
  if (encoded.length <= bytes) return text
  let end = bytes
  // Continuation bytes are 10xxxxxx.
  while (end > 0 && (encoded[end]! & 0xc0) === 0x80) end -= 1
  return new TextDecoder().decode(encoded.subarray(0, end))
}
