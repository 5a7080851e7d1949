/** Order of texts by code point, which is also the order of their UTF-8 bytes, SQLite's default. */
import type { EntityRef } from '../model/keys.ts'

/** UTF-16 order differs from it only where a surrogate meets a unit above the surrogates, so those are moved past them. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}

export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index += 1) {
    const left = a.charCodeAt(index)
    const right = b.charCodeAt(index)
    if (left !== right) return rank(left) - rank(right)
  }
  return a.length - b.length
}

/** Key order: by kind, then key. */
export function compareRefs(a: EntityRef, b: EntityRef): number {
  return compareText(a.kind, b.kind) || compareText(a.key, b.key)
}
