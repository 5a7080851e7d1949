/**
 * Packs newer address data for the sources `asn` and `geoip`:
 *
 *   node scripts/with-node.mjs scripts/pack-ip-data.ts asn     2026-06-17 asn-ipv4-num.csv asn-ipv6-num.csv ts/embedded/data/asn.iptable.br
 *   node scripts/with-node.mjs scripts/pack-ip-data.ts country 2026-06-17 geo-whois-asn-country-ipv4-num.csv geo-whois-asn-country-ipv6-num.csv ts/embedded/data/country.iptable.br
 *
 * The files are those of github.com/sapics/ip-location-db (releases; the npm packages are frozen at 2026-06-17). docs/adapters/asn.md.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { rangesOfCsv } from '../ts/embedded/ip-csv.ts'
import { openIpTable, packIpTable } from '../ts/embedded/ip-table.ts'

const SOURCES = {
  asn: ['RouteViews (routeviews.org), CC BY 4.0', 'DB-IP (db-ip.com), CC BY 4.0', 'NRO (nro.net), CC BY 4.0', 'ip-location-db'],
  country: ['NRO (nro.net), CC BY 4.0', 'ip-location-db geo-whois-asn-country, CC0 1.0'],
} as const

const [kind, date, v4, v6, out] = process.argv.slice(2)
if ((kind !== 'asn' && kind !== 'country') || !/^\d{4}-\d{2}-\d{2}$/.test(date ?? '') || out === undefined) {
  console.error('usage: pack-ip-data.ts asn|country YYYY-MM-DD IPV4.csv IPV6.csv OUT')
  process.exit(2)
}
const packed = packIpTable(
  { kind, data_date: date!, sources: SOURCES[kind] },
  rangesOfCsv(readFileSync(v4!, 'utf8'), kind, 4),
  rangesOfCsv(readFileSync(v6!, 'utf8'), kind, 6),
)
const { ranges } = openIpTable(packed)
writeFileSync(out, packed)
console.log(`${out}: ${ranges.v4} IPv4 and ${ranges.v6} IPv6 ranges, ${packed.length} bytes`)
