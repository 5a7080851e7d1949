/** Postal codes of states, the district, territories, freely associated states and military addresses, with their names. */
const NAMES =
  'AL Alabama;AK Alaska;AZ Arizona;AR Arkansas;CA California;CO Colorado;CT Connecticut;DE Delaware;DC District of Columbia;' +
  'FL Florida;GA Georgia;HI Hawaii;ID Idaho;IL Illinois;IN Indiana;IA Iowa;KS Kansas;KY Kentucky;LA Louisiana;ME Maine;' +
  'MD Maryland;MA Massachusetts;MI Michigan;MN Minnesota;MS Mississippi;MO Missouri;MT Montana;NE Nebraska;NV Nevada;' +
  'NH New Hampshire;NJ New Jersey;NM New Mexico;NY New York;NC North Carolina;ND North Dakota;OH Ohio;OK Oklahoma;OR Oregon;' +
  'PA Pennsylvania;RI Rhode Island;SC South Carolina;SD South Dakota;TN Tennessee;TX Texas;UT Utah;VT Vermont;VA Virginia;' +
  'WA Washington;WV West Virginia;WI Wisconsin;WY Wyoming;AS American Samoa;GU Guam;MP Northern Mariana Islands;' +
  'PR Puerto Rico;VI Virgin Islands;FM Federated States of Micronesia;MH Marshall Islands;PW Palau;AA Armed Forces Americas;' +
  'AE Armed Forces Europe;AP Armed Forces Pacific'

const PAIRS = NAMES.split(';').map((pair) => [pair.slice(0, 2), pair.slice(3).toUpperCase()] as const)
const CODE_BY_NAME: ReadonlyMap<string, string> = new Map(PAIRS.map(([code, name]) => [name, code]))

export const US_STATE_CODES: readonly string[] = PAIRS.map(([code]) => code)
const CODES: ReadonlySet<string> = new Set(US_STATE_CODES)

/** `CA` for `CA`, `ca` and `California`; null for anything else. */
export function usStateCode(text: string): string | null {
  const key = text.trim().toUpperCase()
  return CODES.has(key) ? key : (CODE_BY_NAME.get(key) ?? null)
}
