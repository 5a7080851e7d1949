import { isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ipOf, parseIp, specialPurpose } from '../../../../ts/adapters/shared/ip.ts'

describe('addresses', () => {
  it.each([
    ['8.8.8.8', '8.8.8.8'],
    [' 193.0.6.139 ', '193.0.6.139'],
    ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['::ffff:192.0.2.128', '::ffff:c000:280'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('%s is %s', (text, canonical) => {
    expect(parseIp(text)?.text).toBe(canonical)
  })

  it.each([
    '',
    '8.8.8',
    '8.8.8.256',
    '08.8.8.8',
    '8.8.8.8.8',
    '0x8.8.8.8',
    '8.8.8.8:53',
    '1::2::3',
    ':1',
    '1:2:3:4:5:6:7',
    '::g',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8',
    'fe80::1%eth0',
    '[::1]',
    '::1.2.3',
    '12345::',
    'a'.repeat(100),
  ])('%s is none', (text) => {
    expect(parseIp(text)).toBeNull()
  })

  it('has one spelling for each number, which reads back', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), fc.integer({ min: 0, max: 128 }), (value, zeros) => {
        const version = zeros > 120 ? 4 : 6
        const address = ipOf(version, version === 4 ? value & 0xffffffffn : (value >> BigInt(zeros)) << BigInt(zeros))
        expect(parseIp(address.text)).toEqual(address)
        expect(isIP(address.text)).toBe(version)
      }),
    )
  })

  it('are understood as Node understands them', () => {
    const text = fc.oneof(fc.ipV4(), fc.ipV6(), fc.ipV4Extended(), fc.stringMatching(/^[0-9a-f:.]{1,40}$/))
    fc.assert(
      fc.property(text, (one) => {
        // Node takes leading zeros in IPv4 for nothing too.
        expect(parseIp(one)?.version ?? 0).toBe(isIP(one))
      }),
    )
  })
})

describe('special-purpose addresses', () => {
  it.each([
    ['10.1.2.3', 'private use (10.0.0.0/8)'],
    ['172.31.255.255', 'private use (172.16.0.0/12)'],
    ['192.168.1.1', 'private use (192.168.0.0/16)'],
    ['100.64.0.1', 'carrier-grade NAT (100.64.0.0/10)'],
    ['127.0.0.53', 'loopback (127.0.0.0/8)'],
    ['169.254.169.254', 'link-local (169.254.0.0/16)'],
    ['198.51.100.7', 'documentation (198.51.100.0/24)'],
    ['224.0.0.251', 'multicast (224.0.0.0/4)'],
    ['255.255.255.255', 'reserved (240.0.0.0/4)'],
    ['::1', 'loopback (::1/128)'],
    ['::ffff:8.8.8.8', 'IPv4-mapped (::ffff:0:0/96)'],
    ['2001:db8::1', 'documentation (2001:db8::/32)'],
    ['fd00::1', 'unique local (fc00::/7)'],
    ['fe80::1', 'link-local (fe80::/10)'],
    ['ff02::1', 'multicast (ff00::/8)'],
    ['4000::1', 'not global unicast'],
  ])('%s: %s', (text, what) => {
    expect(specialPurpose(parseIp(text)!)).toBe(what)
  })

  it.each([
    '8.8.8.8',
    '172.15.255.255',
    '172.32.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '192.0.1.1',
    '223.255.255.255',
    '2001:4860:4860::8888',
    '2a01:4f8::1',
  ])('%s is none', (text) => {
    expect(specialPurpose(parseIp(text)!)).toBeNull()
  })
})
