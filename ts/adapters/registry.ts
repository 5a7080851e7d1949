/** The adapters there are. A new one is a file beside these and a line here; the config says which sources use it. */
import { EngineError } from '../model/errors.ts'
import type { SourceAdapter } from './adapter.ts'
import { asn } from './asn.ts'
import { clearbit } from './clearbit.ts'
import { dlaCage } from './dla-cage.ts'
import { dns } from './dns.ts'
import { edgar } from './edgar.ts'
import { geoip } from './geoip.ts'
import { nih } from './nih.ts'
import { openalex } from './openalex.ts'
import { opencorporates } from './opencorporates.ts'
import { openfec } from './openfec.ts'
import { orcid } from './orcid.ts'
import { patentsview } from './patentsview.ts'
import { peopleDataLabs } from './people-data-labs.ts'
import { samExclusions } from './sam-exclusions.ts'
import { samGov } from './sam-gov.ts'
import { sbirGov } from './sbir-gov.ts'
import { usaspending } from './usaspending.ts'
import { usptoOdp } from './uspto-odp.ts'

export const ADAPTERS: readonly SourceAdapter[] = [
  sbirGov,
  usaspending,
  samGov,
  samExclusions,
  nih,
  patentsview,
  usptoOdp,
  opencorporates,
  edgar,
  dlaCage,
  orcid,
  openalex,
  openfec,
  peopleDataLabs,
  clearbit,
  dns,
  asn,
  geoip,
]

const BY_ID: ReadonlyMap<string, SourceAdapter> = new Map(ADAPTERS.map((adapter) => [adapter.id, adapter]))

/** Throws `unknown_adapter` (configuration) with the ids there are. */
export function adapterById(id: string): SourceAdapter {
  const adapter = BY_ID.get(id)
  if (adapter !== undefined) return adapter
  throw new EngineError('configuration', 'unknown_adapter', `there is no adapter "${id}"`, {
    hint: `use one of ${[...BY_ID.keys()].join(', ')}`,
  })
}
