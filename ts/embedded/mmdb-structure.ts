/**
 * Whether the bytes of a MaxMind database are what its format says (version 2.0): readers follow damaged trees and records to wherever
 * they lead, and what they find there looks like "nothing known". Throws `MmdbDamage` at the first thing that cannot be.
 */
import { isUtf8 } from 'node:buffer'
import type { IpAddress } from '../adapters/shared/ip.ts'

export class MmdbDamage extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'MmdbDamage'
  }
}

/** Where things are; from the metadata. */
export type MmdbLayout = {
  readonly nodeCount: number
  readonly recordBits: 24 | 28 | 32
  readonly ipVersion: 4 | 6
  readonly dataStart: number
  /** Where the metadata begin. */
  readonly dataEnd: number
}

const SEPARATOR_BYTES = 16
/** Records looked into when a database is opened, spread over it; each of the others is when it is found. */
const SAMPLED_NODES = 4_096
const MAX_DEPTH = 64
/** Of one record, pointers followed: a few bytes can point to one another without end. */
const MAX_VALUES = 100_000

export function layoutOf(
  metadata: { readonly nodeCount: number; readonly recordSize: number; readonly ipVersion: number },
  metadataStart: number,
): MmdbLayout {
  const { nodeCount, recordSize, ipVersion } = metadata
  if (!Number.isSafeInteger(nodeCount) || nodeCount < 1) throw new MmdbDamage('the metadata give no number of nodes')
  if (recordSize !== 24 && recordSize !== 28 && recordSize !== 32) throw new MmdbDamage(`records of ${recordSize} bits`)
  if (ipVersion !== 4 && ipVersion !== 6) throw new MmdbDamage(`addresses of IP version ${ipVersion}`)
  const dataStart = (nodeCount * recordSize) / 4 + SEPARATOR_BYTES
  if (dataStart > metadataStart) throw new MmdbDamage('the file ends inside its search tree; it is not whole')
  return { nodeCount, recordBits: recordSize, ipVersion, dataStart, dataEnd: metadataStart }
}

/** One of the two records of a node. */
function childOf(db: Buffer, { recordBits }: MmdbLayout, node: number, bit: number): number {
  if (recordBits === 24) return db.readUIntBE(node * 6 + bit * 3, 3)
  if (recordBits === 32) return db.readUInt32BE(node * 8 + bit * 4)
  const at = node * 7
  const middle = db[at + 3]!
  return bit === 0 ? (middle >> 4) * 0x1000000 + db.readUIntBE(at, 3) : (middle & 15) * 0x1000000 + db.readUIntBE(at + 4, 3)
}

/** The place in the file that a record above the number of nodes means. */
function dataAt({ nodeCount, dataStart, dataEnd }: MmdbLayout, record: number): number {
  const offset = dataStart - SEPARATOR_BYTES + (record - nodeCount)
  if (offset < dataStart || offset >= dataEnd) throw new MmdbDamage('the search tree points outside of the data')
  return offset
}

/** Every record of the tree, and a sample of what it points to. 5 million nodes take 50 to 70 ms. */
export function checkTree(db: Buffer, layout: MmdbLayout): readonly number[] {
  const { nodeCount, dataStart } = layout
  for (let at = dataStart - SEPARATOR_BYTES; at < dataStart; at += 1)
    if (db[at] !== 0) throw new MmdbDamage('the search tree does not end where it should')
  const stride = Math.max(1, Math.floor(nodeCount / SAMPLED_NODES))
  const sample = new Set<number>()
  for (let node = 0; node < nodeCount; node += 1) {
    for (const bit of [0, 1]) {
      const record = childOf(db, layout, node, bit)
      if (record <= nodeCount) continue
      const offset = dataAt(layout, record)
      if (node % stride === 0) sample.add(offset)
    }
  }
  for (const offset of sample) checkRecord(db, offset, layout)
  return [...sample]
}

/** The place of the address's record, or null when the tree says that there is none. */
export function recordAt(db: Buffer, layout: MmdbLayout, { version, value }: IpAddress): number | null {
  const { nodeCount, ipVersion } = layout
  if (version === 6 && ipVersion === 4) return null
  // In a tree for both, IPv4 addresses are the IPv6 ones of which only the last 32 bits are set.
  let node = 0
  for (let bit = ipVersion === 4 ? 31 : 127; bit >= 0 && node < nodeCount; bit -= 1)
    node = childOf(db, layout, node, Number((value >> BigInt(bit)) & 1n))
  if (node < nodeCount) throw new MmdbDamage('a path of the search tree does not end')
  return node === nodeCount ? null : dataAt(layout, node)
}

type Walk = { values: number; readonly db: Buffer; readonly layout: MmdbLayout }

/** A record is a map, and everything in it is as long as its type says. */
export function checkRecord(db: Buffer, offset: number, layout: MmdbLayout): void {
  const walk: Walk = { values: 0, db, layout }
  if (valueFrom(walk, offset, 0).type !== MAP) throw new MmdbDamage('a record is no map')
}

const POINTER = 1
const TEXT = 2
const MAP = 7
const ARRAY = 11
const POINTER_BASE = [0, 2_048, 526_336, 0]
/** Sizes in bytes of the other types: exactly, or at most. */
const EXACT: Readonly<Record<number, number>> = { 3: 8, 15: 4 }
const AT_MOST: Readonly<Record<number, number>> = { 4: Number.MAX_SAFE_INTEGER, 5: 2, 6: 4, 8: 4, 9: 8, 10: 16 }
const BOOLEAN = 14

function number({ db, layout }: Walk, at: number, bytes: number): number {
  if (at + bytes > layout.dataEnd) throw new MmdbDamage('a record ends outside of the data')
  return bytes === 0 ? 0 : db.readUIntBE(at, bytes)
}

/** What the value is, and where the next one begins. */
function valueFrom(walk: Walk, start: number, depth: number, isTarget = false): { readonly type: number; readonly next: number } {
  walk.values += 1
  if (depth > MAX_DEPTH || walk.values > MAX_VALUES) throw new MmdbDamage('a record has no end')
  const { db, layout } = walk
  const control = number(walk, start, 1)
  let at = start + 1
  let type = control >> 5
  if (type === POINTER) {
    if (isTarget) throw new MmdbDamage('a pointer leads to another pointer')
    const length = (control >> 3) & 3
    const low = number(walk, at, length + 1)
    const high = length === 3 ? 0 : (control & 7) * 2 ** (8 * (length + 1))
    const target = layout.dataStart + POINTER_BASE[length]! + high + low
    return { type: valueFrom(walk, target, depth + 1, true).type, next: at + length + 1 }
  }
  if (type === 0) {
    type = number(walk, at, 1) + 7
    at += 1
  }
  let size = control & 31
  if (size >= 29) {
    const more = size - 28
    size = [29, 285, 65_821][more - 1]! + number(walk, at, more)
    at += more
  }
  if (type === MAP || type === ARRAY) {
    for (let index = 0; index < size; index += 1) {
      if (type === MAP) {
        const key = valueFrom(walk, at, depth + 1)
        if (key.type !== TEXT) throw new MmdbDamage('a member of a record has no name')
        at = key.next
      }
      at = valueFrom(walk, at, depth + 1).next
    }
    return { type, next: at }
  }
  if (type === BOOLEAN) {
    if (size > 1) throw new MmdbDamage('a truth value is neither true nor false')
    return { type, next: at }
  }
  if (at + size > layout.dataEnd) throw new MmdbDamage('a record ends outside of the data')
  if (type === TEXT) {
    if (!isUtf8(db.subarray(at, at + size))) throw new MmdbDamage('a text is no UTF-8')
  } else if (EXACT[type] === undefined ? !(size <= (AT_MOST[type] ?? -1)) : size !== EXACT[type])
    throw new MmdbDamage(`a value of type ${type} has ${size} bytes`)
  return { type, next: at + size }
}
