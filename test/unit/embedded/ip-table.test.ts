import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ipOf } from '../../../ts/adapters/shared/ip.ts'
import { rangesOfCsv } from '../../../ts/embedded/ip-csv.ts'
import { flattened, type IpRange, openIpTable, packIpTable } from '../../../ts/embedded/ip-table.ts'

const FACTS = { kind: 'asn', data_date: '2026-06-17', sources: ['somebody, CC BY 4.0'] } as const
const range = (from: bigint, to: bigint, label: string): IpRange => ({ from, to, label })
const arbitraryRanges = (max: bigint): fc.Arbitrary<IpRange[]> =>
  fc.array(
    fc
      .tuple(fc.bigInt({ min: 0n, max }), fc.bigInt({ min: 0n, max: 40n }), fc.constantFrom('1 A', '2 B', '3 Ünïcode', '4'))
      .map(([from, length, label]) => range(from, from + length > max ? max : from + length, label)),
    { maxLength: 40 },
  )

describe('a packed table', () => {
  it('finds what was put in, and nothing else', () => {
    fc.assert(
      fc.property(arbitraryRanges(300n), arbitraryRanges((1n << 64n) - 1n), (v4, v6) => {
        const table = openIpTable(packIpTable(FACTS, v4, v6))
        const flat = flattened(v4)
        for (let value = 0n; value <= 345n; value += 1n) {
          const expected = flat.find(({ from, to }) => from <= value && value <= to) ?? null
          expect(table.find(ipOf(4, value))).toEqual(expected)
        }
        for (const { from, to, label } of flattened(v6)) {
          expect(table.find(ipOf(6, (from << 64n) | 5n))).toEqual({ from, to, label })
          expect(table.find(ipOf(6, (to << 64n) | 0xffffffffffffffffn))?.label).toBe(label)
        }
        expect(table).toMatchObject(FACTS)
      }),
    )
  })

  it('takes the highest addresses', () => {
    const table = openIpTable(
      packIpTable(FACTS, [range(0xffffff00n, 0xffffffffn, 'x')], [range((1n << 64n) - 2n, (1n << 64n) - 1n, 'y')]),
    )
    expect(table.find(ipOf(4, 0xffffffffn))?.label).toBe('x')
    expect(table.find(ipOf(6, (1n << 128n) - 1n))?.label).toBe('y')
    expect(table.find(ipOf(4, 0xfffffeffn))).toBeNull()
  })

  it('is refused when it is damaged, with what to do', () => {
    const packed = packIpTable(FACTS, [range(1n, 5n, '1 A'), range(9n, 9n, '2 B')], [])
    expect(() => openIpTable(Buffer.from('nothing'))).toThrow(/cannot be read/)
    expect(() => openIpTable(packed.subarray(0, packed.length - 3))).toThrow(/cannot be read/)
    expect(() => openIpTable(packed.subarray(0, 0))).toThrow(/cannot be read/)
  })
})

describe('ranges that lie over each other', () => {
  it('give the most specific', () => {
    expect(flattened([range(0n, 99n, 'all'), range(10n, 19n, 'in'), range(12n, 12n, 'one'), range(20n, 30n, 'in')])).toEqual([
      range(0n, 9n, 'all'),
      range(10n, 11n, 'in'),
      range(12n, 12n, 'one'),
      range(13n, 30n, 'in'),
      range(31n, 99n, 'all'),
    ])
    expect(flattened([range(0n, 10n, 'a'), range(5n, 20n, 'b')])).toEqual([range(0n, 4n, 'a'), range(5n, 20n, 'b')])
    expect(flattened([range(5n, 6n, 'short'), range(5n, 9n, 'long')])).toEqual([range(5n, 6n, 'short'), range(7n, 9n, 'long')])
    expect(() => flattened([range(5n, 4n, 'a')])).toThrow(/ends before/)
  })

  it('hold every address that one of them held, and no other', () => {
    fc.assert(
      fc.property(arbitraryRanges(200n), (ranges) => {
        const flat = flattened(ranges)
        for (let value = 0n; value <= 245n; value += 1n) {
          const holds = ({ from, to }: IpRange): boolean => from <= value && value <= to
          const found = flat.filter(holds)
          expect(found.length).toBe(ranges.some(holds) ? 1 : 0)
          if (found.length > 0) expect(ranges.filter(holds).map(({ label }) => label)).toContain(found[0]!.label)
        }
        for (const [index, one] of flat.entries()) {
          const next = flat[index + 1]
          if (next !== undefined)
            expect(next.from > one.to && !(next.from === one.to + 1n && next.label === one.label)).toBe(true)
        }
      }),
    )
  })
})

describe('the numeric CSV files', () => {
  it('are read as ranges with labels', () => {
    const asn =
      '16777216,16777471,13335,"Cloudflare, Inc."\n16778240,16779263,38803,Gtelecom Pty Ltd\r\n1,2,0,-\n3,4,7,"say ""hi"""\n5,6,8,\n'
    expect([...rangesOfCsv(asn, 'asn', 4)]).toEqual([
      range(16_777_216n, 16_777_471n, '13335 Cloudflare, Inc.'),
      range(16_778_240n, 16_779_263n, '38803 Gtelecom Pty Ltd'),
      range(3n, 4n, '7 say "hi"'),
      range(5n, 6n, '8'),
    ])
    const v6 = '42540528726795050063891204319802818560,42540528806023212578155541913346768895,JP\n1,1,AU\n'
    expect([...rangesOfCsv(v6, 'country', 6)]).toEqual([range(0x20010200_00000000n, 0x20010200_ffffffffn, 'JP')])
  })

  it.each([
    ['asn', '1,2,AU'],
    ['country', '1,2,7,Name'],
    ['asn', 'x,2,7,Name'],
    ['country', '1.0.0.0,1.0.0.255,AU'],
  ] as const)('%s: a row %j is refused with its line', (kind, row) => {
    expect(() => [...rangesOfCsv(`\n${row}`, kind, 4)]).toThrow(/line 2/)
  })
})
