/** Agencies of the SBIR and STTR programs: their names and abbreviations on SBIR.gov, their top-tier codes on USAspending. */
import { companyNameKey } from '../shared/names.ts'

const AGENCIES: Readonly<Record<string, readonly string[]>> = {
  '012': ['USDA', 'Department of Agriculture'],
  '013': ['DOC', 'Department of Commerce'],
  '014': ['DOI', 'Department of the Interior'],
  '031': ['NRC', 'Nuclear Regulatory Commission'],
  '049': ['NSF', 'National Science Foundation'],
  '068': ['EPA', 'Environmental Protection Agency'],
  '069': ['DOT', 'Department of Transportation'],
  '070': ['DHS', 'Department of Homeland Security'],
  '075': ['HHS', 'Department of Health and Human Services'],
  '080': ['NASA', 'National Aeronautics and Space Administration'],
  '089': ['DOE', 'Department of Energy'],
  '091': ['ED', 'Department of Education'],
  // Renamed in 2025; both names are in use.
  '097': ['DOD', 'Department of Defense', 'DOW', 'Department of War'],
}

function agencyKey(name: string): string {
  return companyNameKey(name).replace(/^(?:U S|US|UNITED STATES) /, '')
}

const CODE_BY_NAME: ReadonlyMap<string, string> = new Map(
  Object.entries(AGENCIES).flatMap(([code, names]) => names.map((name) => [agencyKey(name), code] as const)),
)

/** Three-digit top-tier code of an agency given by name or abbreviation; null when it is none of the program's. */
export function agencyCode(name: string): string | null {
  return CODE_BY_NAME.get(agencyKey(name)) ?? null
}

/** A top-tier code as USAspending writes it; the search index sometimes drops the leading zeroes. */
export function paddedCode(code: string | null): string | null {
  return code !== null && /^\d{1,2}$/.test(code) ? code.padStart(3, '0') : code
}
