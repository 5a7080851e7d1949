/** IP addresses as numbers and in one spelling, and which of them are nobody's public address. */

export type IpAddress = {
  readonly version: 4 | 6
  readonly value: bigint
  /** RFC 5952 for IPv6, dotted decimal for IPv4: the key of the entity. */
  readonly text: string
}

const V4 = /^(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}$/

function parseV4(text: string): bigint | null {
  if (!V4.test(text)) return null
  let value = 0n
  for (const part of text.split('.')) {
    const byte = Number(part)
    if (byte > 255) return null
    value = (value << 8n) | BigInt(byte)
  }
  return value
}

/** Groups of one side of `::`; the last may be an IPv4 address. */
function groupsOf(text: string): readonly number[] | null {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    if (part.includes('.') && index === parts.length - 1) {
      const v4 = parseV4(part)
      if (v4 === null) return null
      groups.push(Number(v4 >> 16n), Number(v4 & 0xffffn))
    } else if (/^[0-9A-Fa-f]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16))
    else return null
  }
  return groups
}

function parseV6(text: string): bigint | null {
  const sides = text.split('::')
  if (sides.length > 2) return null
  const head = groupsOf(sides[0]!)
  const tail = sides.length === 2 ? groupsOf(sides[1]!) : []
  if (head === null || tail === null) return null
  const missing = 8 - head.length - tail.length
  if (sides.length === 2 ? missing < 1 : missing !== 0) return null
  return [...head, ...Array<number>(missing).fill(0), ...tail].reduce((value, group) => (value << 16n) | BigInt(group), 0n)
}

function textV4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join('.')
}

/** RFC 5952: lower case, no leading zeros, the first longest run of two or more zero groups as `::`. */
function textV6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) => Number((value >> BigInt(112 - 16 * index)) & 0xffffn))
  let best = { from: -1, length: 1 }
  for (let from = 0; from < 8; from += 1) {
    let length = 0
    while (from + length < 8 && groups[from + length] === 0) length += 1
    if (length > best.length) best = { from, length }
    from += length
  }
  const hex = groups.map((group) => group.toString(16))
  if (best.from < 0) return hex.join(':')
  return `${hex.slice(0, best.from).join(':')}::${hex.slice(best.from + best.length).join(':')}`
}

export function ipOf(version: 4 | 6, value: bigint): IpAddress {
  return { version, value, text: version === 4 ? textV4(value) : textV6(value) }
}

/** Null for anything that is not exactly one address: no zone, no port, no octal or shortened IPv4. */
export function parseIp(text: string): IpAddress | null {
  const trimmed = text.trim()
  if (trimmed.length > 45) return null
  const version = trimmed.includes(':') ? 6 : 4
  const value = version === 6 ? parseV6(trimmed) : parseV4(trimmed)
  return value === null ? null : ipOf(version, value)
}

/** The IANA special-purpose registries (RFC 6890 and later), multicast and reserved space. What is not listed is somebody's. */
const SPECIAL: readonly (readonly [string, string])[] = [
  ['0.0.0.0/8', 'this network'],
  ['10.0.0.0/8', 'private use'],
  ['100.64.0.0/10', 'carrier-grade NAT'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local'],
  ['172.16.0.0/12', 'private use'],
  ['192.0.0.0/24', 'IETF protocol assignments'],
  ['192.0.2.0/24', 'documentation'],
  ['192.88.99.0/24', '6to4 relay'],
  ['192.168.0.0/16', 'private use'],
  ['198.18.0.0/15', 'benchmarking'],
  ['198.51.100.0/24', 'documentation'],
  ['203.0.113.0/24', 'documentation'],
  ['224.0.0.0/4', 'multicast'],
  ['240.0.0.0/4', 'reserved'],
  ['::/128', 'unspecified'],
  ['::1/128', 'loopback'],
  ['::ffff:0:0/96', 'IPv4-mapped'],
  ['64:ff9b::/96', 'IPv4 translation'],
  ['64:ff9b:1::/48', 'IPv4 translation'],
  ['100::/64', 'discard only'],
  ['2001::/23', 'IETF protocol assignments'],
  ['2001:db8::/32', 'documentation'],
  ['2002::/16', '6to4'],
  ['3fff::/20', 'documentation'],
  ['5f00::/16', 'segment routing'],
  ['fc00::/7', 'unique local'],
  ['fe80::/10', 'link-local'],
  ['fec0::/10', 'site-local'],
  ['ff00::/8', 'multicast'],
]

const RANGES = SPECIAL.map(([network, what]) => {
  const [address, bits] = network.split('/')
  const { version, value } = parseIp(address!)!
  const shift = BigInt((version === 4 ? 32 : 128) - Number(bits))
  return { version, prefix: value >> shift, shift, what: `${what} (${network})` }
})

/** What kind of special-purpose address it is, e.g. `private use (10.0.0.0/8)`; null for an address of the public internet. */
export function specialPurpose({ version, value }: IpAddress): string | null {
  for (const range of RANGES) if (range.version === version && value >> range.shift === range.prefix) return range.what
  // All that is handed out lies in 2000::/3.
  return version === 6 && value >> 125n !== 1n ? 'not global unicast' : null
}
