/** The providers that the sandbox speaks. A new one is a file beside these and a line here. */
import { DAY_MS, MINUTE_MS } from '../../model/time.ts'
import type { QuotaRule } from '../quota.ts'
import { asnDialect } from './asn.ts'
import { clearbitDialect } from './clearbit.ts'
import type { Dialect } from './dialect.ts'
import { dlaCageDialect } from './dla-cage.ts'
import { dnsDialect } from './dns.ts'
import { edgarDialect, edgarEftsDialect, edgarWwwDialect } from './edgar.ts'
import { geoipDialect } from './geoip.ts'
import { nihDialect } from './nih.ts'
import { openalexDialect } from './openalex.ts'
import { opencorporatesDialect } from './opencorporates.ts'
import { openfecDialect } from './openfec.ts'
import { orcidDialect } from './orcid.ts'
import { patentsviewDialect } from './patentsview.ts'
import { pdlDialect } from './people-data-labs.ts'
import { samExclusionsDialect } from './sam-exclusions.ts'
import { samGovDialect } from './sam-gov.ts'
import { sbirFilesDialect, sbirGovDialect } from './sbir-gov.ts'
import { usaspendingDialect } from './usaspending.ts'
import { usptoOdpDialect } from './uspto-odp.ts'

export const DIALECTS: readonly Dialect[] = [
  usaspendingDialect,
  samGovDialect,
  samExclusionsDialect,
  sbirGovDialect,
  sbirFilesDialect,
  nihDialect,
  patentsviewDialect,
  usptoOdpDialect,
  opencorporatesDialect,
  edgarDialect,
  edgarWwwDialect,
  edgarEftsDialect,
  dlaCageDialect,
  orcidDialect,
  openalexDialect,
  openfecDialect,
  pdlDialect,
  clearbitDialect,
  dnsDialect,
  asnDialect,
  geoipDialect,
]

export const DEFAULT_QUOTAS: Readonly<Record<string, readonly QuotaRule[]>> = {
  usaspending: [{ limit: 120, per: MINUTE_MS }],
  sam_gov: [
    { limit: 60, per: MINUTE_MS },
    { limit: 1000, per: DAY_MS, resets: 'utc_day' },
  ],
  // Nothing enforces it at the provider, but clients are held to it.
  sbir_gov: [{ limit: 60, per: MINUTE_MS, enforce: false }],
  ...Object.fromEntries(DIALECTS.flatMap(({ source, quotas }) => (quotas === undefined ? [] : [[source, quotas] as const]))),
}
