/** Database files of the user (MMDB): opened once, and only when they are whole and are about what is asked. */
import { readFile, stat } from 'node:fs/promises'
import { type Response as MmdbRecord, Reader } from 'mmdb-lib'
import { type IpAddress, ipOf } from '../adapters/shared/ip.ts'
import { messageOf } from '../model/errors.ts'
import type { JsonObject, JsonValue } from '../model/json.ts'
import { checkRecord, checkTree, layoutOf, MmdbDamage, type MmdbLayout, recordAt } from './mmdb-structure.ts'

/** What a database is asked for: places (`geoip`) or networks (`asn`). */
export const MMDB_USES = ['place', 'network'] as const
export type MmdbUse = (typeof MMDB_USES)[number]

type Kind = {
  readonly types: RegExp
  readonly called: string
  /** One of them is in some record at least. */
  readonly members: readonly string[]
}
const KINDS: Readonly<Record<MmdbUse, Kind>> = {
  place: {
    types: /city|country|enterprise|location/i,
    called: 'a City, Country or Enterprise database (GeoLite2-City.mmdb, dbip-city-lite.mmdb)',
    members: ['country', 'registered_country', 'location'],
  },
  network: {
    types: /asn|isp/i,
    called: 'an ASN or ISP database (GeoLite2-ASN.mmdb, dbip-asn-lite.mmdb)',
    members: ['autonomous_system_number'],
  },
}

/** A city database has 60 to 130 MB. */
const MAX_BYTES = 2_000_000_000
/** The metadata are at most this long, and at the end. */
const METADATA_BYTES = 128 * 1024
const METADATA_MARKER = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1')
/** The format is of 2012. */
const OLDEST_BUILD = Date.UTC(2012, 0, 1)
const NEWEST_BUILD = Date.UTC(2100, 0, 1)

export type MmdbProblemCode = 'file_missing' | 'file_unreadable' | 'file_damaged' | 'wrong_database'

/** The file cannot be used, whatever address is asked about. The message names it and says what to do. */
export class MmdbProblem extends Error {
  readonly code: MmdbProblemCode

  constructor(code: MmdbProblemCode, message: string) {
    super(message)
    this.name = 'MmdbProblem'
    this.code = code
  }
}

export type Mmdb = {
  readonly type: string
  /** `YYYY-MM-DD`. */
  readonly builtOn: string
  readonly ipVersion: 4 | 6
  /** The record with the network that it is about; null when there is none. Throws `MmdbProblem`. */
  find(ip: IpAddress): { readonly record: JsonObject; readonly network: string } | null
}

/** Values of a database as JSON: dates as text, integers beyond 2^53 as text, bytes left out. */
function toJson(value: unknown, depth = 0): JsonValue {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value === 'bigint') return value.toString()
  if (depth > 20 || typeof value !== 'object' || Buffer.isBuffer(value)) return null
  if (Array.isArray(value)) return value.map((item) => toJson(item, depth + 1))
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, toJson(member, depth + 1)]))
}

function damaged(path: string, why: string): MmdbProblem {
  return new MmdbProblem('file_damaged', `${path} is damaged (${why}); download it again, or name another file in options.mmdb`)
}

type Opened = { readonly reader: Reader<MmdbRecord>; readonly layout: MmdbLayout; readonly sample: readonly number[] }

/** Throws `MmdbDamage`, and what the reader throws. */
function openBytes(db: Buffer): Opened {
  const marker = db.lastIndexOf(METADATA_MARKER)
  if (marker < 0 || marker < db.length - METADATA_BYTES) throw new MmdbDamage('it has no metadata of a MaxMind database')
  const reader = new Reader<MmdbRecord>(db)
  const { metadata } = reader
  if (metadata.binaryFormatMajorVersion !== 2) throw new MmdbDamage(`format ${metadata.binaryFormatMajorVersion}, not 2`)
  if (typeof metadata.databaseType !== 'string' || metadata.databaseType === '')
    throw new MmdbDamage('it does not say what it is about')
  const layout = layoutOf(metadata, marker)
  const sample = checkTree(db, layout)
  // A path through the tree has an end: one look into each /8.
  for (let first = 0n; first < 256n; first += 1n) recordAt(db, layout, ipOf(4, first << 24n))
  return { reader, layout, sample }
}

function checkUse(path: string, use: MmdbUse, { metadata }: Reader<MmdbRecord>, records: Iterable<JsonObject>): void {
  const { types, called, members } = KINDS[use]
  const wrong = (why: string): MmdbProblem => new MmdbProblem('wrong_database', `${path} ${why}; options.mmdb needs ${called}`)
  if (!types.test(metadata.databaseType)) throw wrong(`is a database of type "${metadata.databaseType.slice(0, 60)}"`)
  for (const record of records) if (members.some((name) => record[name] !== undefined)) return
  throw wrong(`("${metadata.databaseType.slice(0, 60)}") has no ${members.join(' and no ')} in its records`)
}

/** Throws `MmdbProblem`. */
export async function openMmdb(path: string, use: MmdbUse): Promise<Mmdb> {
  const db = await readFile(path).catch((error: unknown) => {
    throw unreadable(path, error)
  })
  let opened: Opened
  try {
    opened = openBytes(db)
  } catch (error) {
    throw damaged(path, messageOf(error))
  }
  const { reader, layout, sample } = opened
  const { metadata } = reader
  checkUse(path, use, reader, recordsOf(reader, layout, sample))
  const builtAt = metadata.buildEpoch.getTime()
  if (!(builtAt >= OLDEST_BUILD && builtAt < NEWEST_BUILD)) throw damaged(path, 'it does not say when it was built')
  return {
    type: metadata.databaseType,
    builtOn: new Date(builtAt).toISOString().slice(0, 10),
    ipVersion: layout.ipVersion,
    find(ip) {
      try {
        const place = recordAt(db, layout, ip)
        if (place === null) return null
        checkRecord(db, place, layout)
        const [found, bits] = reader.getWithPrefixLength(ip.text)
        const record = toJson(found)
        if (typeof record !== 'object' || record === null || Array.isArray(record)) throw new MmdbDamage('a record is no map')
        const host = BigInt(Math.max(0, (ip.version === 4 ? 32 : 128) - bits))
        return { record: record as JsonObject, network: `${ipOf(ip.version, (ip.value >> host) << host).text}/${bits}` }
      } catch (error) {
        throw damaged(path, messageOf(error))
      }
    },
  }
}

/** The sampled records, decoded one by one. They were checked. */
function* recordsOf(
  reader: Reader<MmdbRecord>,
  { nodeCount, dataStart }: MmdbLayout,
  sample: readonly number[],
): Generator<JsonObject> {
  const decoder = reader as unknown as { resolveDataPointer(pointer: number): unknown }
  for (const offset of sample) yield toJson(decoder.resolveDataPointer(offset - dataStart + 16 + nodeCount)) as JsonObject
}

function unreadable(path: string, error: unknown): MmdbProblem {
  const code = (error as { code?: unknown } | null)?.code
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return new MmdbProblem('file_missing', `${path} is not there (${code}); put the database there, or correct options.mmdb`)
  return new MmdbProblem('file_unreadable', `${path} cannot be read: ${messageOf(error)}; options.mmdb must name a readable file`)
}

/** Opens each file once for each use, and again when it was replaced. What is wrong with it is remembered as well. */
export function mmdbFiles(): (path: string, use: MmdbUse) => Promise<Mmdb> {
  const open = new Map<string, { readonly stamp: string; readonly database: Promise<Mmdb> }>()
  return async (path, use) => {
    const facts = await stat(path).catch((error: unknown) => {
      throw unreadable(path, error)
    })
    if (!facts.isFile()) throw new MmdbProblem('file_unreadable', `${path} is no file; options.mmdb must name one`)
    if (facts.size > MAX_BYTES) throw damaged(path, `${facts.size} bytes are too many`)
    const stamp = `${facts.size}/${facts.mtimeMs}/${facts.ino}`
    const key = `${use} ${path}`
    const known = open.get(key)
    if (known?.stamp === stamp) return known.database
    const database = openMmdb(path, use)
    open.set(key, { stamp, database })
    return database
  }
}
