/**
 * Address ranges with a label each (an AS, a country), packed small and looked up fast. IPv6 is kept by its upper 64 bits: nothing
 * smaller than a /64 is announced or assigned.
 *
 * A packed file is brotli over: `IPT1`, length of a JSON header, the header `{ kind, data_date, sources, v4, v6, labels, label_bytes }`,
 * the labels (UTF-8, each ended by a line feed), then both families' ranges as unsigned LEB128 numbers: gap to the range before,
 * length less one, label.
 */
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'
import type { IpAddress } from '../adapters/shared/ip.ts'
import { EngineError, messageOf } from '../model/errors.ts'

/** Both ends belong to the range. IPv6: upper 64 bits. */
export type IpRange = { readonly from: bigint; readonly to: bigint; readonly label: string }

export type IpTableFacts = {
  readonly kind: 'asn' | 'country'
  /** `YYYY-MM-DD`. */
  readonly data_date: string
  /** Who is to be named as the origin of the data, with the licence. */
  readonly sources: readonly string[]
}

export type IpTable = IpTableFacts & {
  readonly ranges: { readonly v4: number; readonly v6: number }
  /** The range that holds the address; null when none does. `from`, `to` in the units of `IpRange`. */
  find(address: IpAddress): IpRange | null
}

const MAGIC = 'IPT1'
/** Ranges of one table; real ones have half a million. */
const MAX_RANGES = 20_000_000
const MAX_BYTES = 500_000_000

class Writer {
  #bytes = Buffer.alloc(1 << 20)
  #length = 0

  number(value: bigint): void {
    if (this.#length + 10 > this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes], this.#bytes.length * 2)
    let rest = value
    while (rest >= 128n) {
      this.#bytes[this.#length++] = Number(rest & 127n) | 128
      rest >>= 7n
    }
    this.#bytes[this.#length++] = Number(rest)
  }

  done(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }
}

/**
 * Ranges as they come, nested and overlapping ones too, as ranges that do not: where several hold an address, the one that begins last
 * counts (the shorter one, when they begin together), which for nested ones is the most specific. Neighbours with one label become one.
 */
export function flattened(ranges: Iterable<IpRange>): readonly IpRange[] {
  const sorted = [...ranges].sort((a, b) => compare(a.from, b.from) || compare(b.to, a.to))
  const result: IpRange[] = []
  const open: IpRange[] = []
  let next = 0n
  const emit = (label: string, to: bigint): void => {
    if (next > to) return
    const before = result.at(-1)
    if (before !== undefined && before.label === label && before.to + 1n === next) result[result.length - 1] = { ...before, to }
    else result.push({ from: next, to, label })
    next = to + 1n
  }
  /** Writes what the open ranges hold before `until`, and closes those that end there. */
  const settle = (until: bigint | null): void => {
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      if (until !== null && top.to >= until) {
        emit(top.label, until - 1n)
        return
      }
      emit(top.label, top.to)
      open.pop()
    }
  }
  for (const range of sorted) {
    if (range.to < range.from) throw new RangeError(`the range from ${range.from} ends before it begins`)
    settle(range.from)
    if (next < range.from) next = range.from
    open.push(range)
  }
  settle(null)
  return result
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Takes some seconds for half a million ranges. */
export function packIpTable(facts: IpTableFacts, v4: Iterable<IpRange>, v6: Iterable<IpRange>): Buffer {
  const families = [flattened(v4), flattened(v6)]
  const counts = new Map<string, number>()
  for (const { label } of families.flat()) counts.set(label, (counts.get(label) ?? 0) + 1)
  // The commonest first: their numbers are the shortest.
  const labels = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([label]) => label)
  const ids = new Map(labels.map((label, id) => [label, BigInt(id)]))
  const text = Buffer.from(labels.map((label) => `${label.replaceAll('\n', ' ')}\n`).join(''))
  const writer = new Writer()
  for (const ranges of families) {
    let next = 0n
    for (const { from, to, label } of ranges) {
      writer.number(from - next)
      writer.number(to - from)
      writer.number(ids.get(label)!)
      next = to + 1n
    }
  }
  const { kind, data_date, sources } = facts
  const header = Buffer.from(
    JSON.stringify({
      kind,
      data_date,
      sources,
      v4: families[0]!.length,
      v6: families[1]!.length,
      labels: labels.length,
      label_bytes: text.length,
    }),
  )
  const size = Buffer.alloc(4)
  size.writeUInt32LE(header.length)
  const whole = Buffer.concat([Buffer.from(MAGIC), size, header, text, writer.done()])
  const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_LGWIN, BROTLI_PARAM_SIZE_HINT } = constants
  return brotliCompressSync(whole, {
    params: { [BROTLI_PARAM_QUALITY]: 11, [BROTLI_PARAM_LGWIN]: 24, [BROTLI_PARAM_SIZE_HINT]: whole.length },
  })
}

type Header = IpTableFacts & {
  readonly v4: number
  readonly v6: number
  readonly labels: number
  readonly label_bytes: number
}

function damaged(why: string, cause?: unknown): EngineError {
  return new EngineError('configuration', 'ip_data', `the embedded address data cannot be read: ${why}`, {
    hint: 'install the program again, or pack the data anew: scripts/pack-ip-data.ts',
    ...(cause === undefined ? {} : { cause }),
  })
}

function headerOf(bytes: Buffer): { readonly header: Header; readonly at: number } {
  if (bytes.subarray(0, 4).toString('latin1') !== MAGIC) throw damaged('it is no table of this kind')
  const length = bytes.readUInt32LE(4)
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Header
  const counts = [header.v4, header.v6, header.labels, header.label_bytes]
  if (
    !counts.every((count) => Number.isSafeInteger(count) && count >= 0 && count <= MAX_BYTES) ||
    header.v4 + header.v6 > MAX_RANGES
  )
    throw damaged('its header makes no sense')
  return { header, at: 8 + length }
}

/** Reads what `packIpTable` wrote: about 0.2 s and 15 bytes a range. Throws `ip_data` when it is damaged. */
export function openIpTable(packed: Buffer): IpTable {
  try {
    return readTable(brotliDecompressSync(packed, { maxOutputLength: MAX_BYTES }))
  } catch (error) {
    throw error instanceof EngineError ? error : damaged(messageOf(error), error)
  }
}

function readTable(bytes: Buffer): IpTable {
  const { header, at: begin } = headerOf(bytes)
  const labelsAt = new Uint32Array(header.labels + 1)
  let at = begin
  for (let label = 0; label < header.labels; label += 1) {
    labelsAt[label] = at
    at = bytes.indexOf(10, at) + 1
    if (at === 0) throw damaged('its labels break off')
  }
  labelsAt[header.labels] = at
  if (at !== begin + header.label_bytes) throw damaged('its labels break off')

  /** A number below 2^53; ranges of IPv4 and labels. */
  const small = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++]
      if (byte === undefined || scale > 2 ** 49) throw damaged('it breaks off')
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
  const large = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]
      if (byte === undefined || shift > 63n) throw damaged('it breaks off')
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return value
    }
  }

  const v4 = { from: new Uint32Array(header.v4), to: new Uint32Array(header.v4), label: new Uint32Array(header.v4) }
  for (let index = 0, next = 0; index < header.v4; index += 1) {
    const from = next + small()
    const to = from + small()
    if (to > 0xffffffff) throw damaged('a range lies outside of its family')
    v4.from[index] = from
    v4.to[index] = to
    v4.label[index] = small()
    next = to + 1
  }
  const v6 = { from: new BigUint64Array(header.v6), to: new BigUint64Array(header.v6), label: new Uint32Array(header.v6) }
  for (let index = 0, next = 0n; index < header.v6; index += 1) {
    const from = next + large()
    const to = from + large()
    if (to > 0xffffffffffffffffn) throw damaged('a range lies outside of its family')
    v6.from[index] = from
    v6.to[index] = to
    v6.label[index] = small()
    next = to + 1n
  }
  if (at !== bytes.length) throw damaged('it is longer than it says')
  // A copy of the labels alone, so that the ranges' bytes are not kept.
  const text = Buffer.from(bytes.subarray(begin, begin + header.label_bytes))
  const labelOf = (id: number): string => {
    if (id >= header.labels) throw damaged('a range has no label')
    return text.subarray(labelsAt[id]! - begin, labelsAt[id + 1]! - begin - 1).toString()
  }

  return {
    kind: header.kind,
    data_date: header.data_date,
    sources: header.sources,
    ranges: { v4: header.v4, v6: header.v6 },
    find({ version, value }) {
      const family = version === 4 ? v4 : v6
      const key = version === 4 ? Number(value) : value >> 64n
      let low = 0
      let high = family.from.length - 1
      while (low <= high) {
        const middle = (low + high) >>> 1
        if (family.from[middle]! > key) high = middle - 1
        else if (family.to[middle]! < key) low = middle + 1
        else return { from: BigInt(family.from[middle]!), to: BigInt(family.to[middle]!), label: labelOf(family.label[middle]!) }
      }
      return null
    },
  }
}
