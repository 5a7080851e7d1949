/** A zip archive (deflate) out of a few texts: what publishers of bulk files make. */
import { crc32, deflateRawSync } from 'node:zlib'
import type { EpochMs } from '../model/time.ts'

export type ZipMember = { readonly name: string; readonly content: Buffer }

/** DOS time: seconds by twos, from 1980. */
function dosTime(at: EpochMs): { readonly time: number; readonly date: number } {
  const day = new Date(at)
  return {
    time: (day.getUTCHours() << 11) | (day.getUTCMinutes() << 5) | (day.getUTCSeconds() >> 1),
    date: ((day.getUTCFullYear() - 1980) << 9) | ((day.getUTCMonth() + 1) << 5) | day.getUTCDate(),
  }
}

/** The fields that local header and central directory have in common, from "version needed" to the length of the extra field. */
function common(crc: number, packed: number, size: number, nameLength: number, at: EpochMs): Buffer {
  const { time, date } = dosTime(at)
  const fields = Buffer.alloc(26)
  fields.writeUInt16LE(20, 0)
  fields.writeUInt16LE(0x0800, 2)
  fields.writeUInt16LE(8, 4)
  fields.writeUInt16LE(time, 6)
  fields.writeUInt16LE(date, 8)
  fields.writeUInt32LE(crc, 10)
  fields.writeUInt32LE(packed, 14)
  fields.writeUInt32LE(size, 18)
  fields.writeUInt16LE(nameLength, 22)
  return fields
}

/** Members below 4 GB each; `at` is their modification time. */
export function zipFile(members: readonly ZipMember[], at: EpochMs): Buffer {
  const locals: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const { name, content } of members) {
    const bytes = Buffer.from(name)
    const packed = deflateRawSync(content)
    const fields = common(crc32(content), packed.length, content.length, bytes.length, at)
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), fields, bytes, packed])
    const tail = Buffer.alloc(14)
    tail.writeUInt32LE(offset, 10)
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00', 'latin1'), fields, tail, bytes]))
    locals.push(local)
    offset += local.length
  }
  const central = Buffer.concat(directory)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  end.writeUInt16LE(members.length, 8)
  end.writeUInt16LE(members.length, 10)
  end.writeUInt32LE(central.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...locals, central, end])
}
