/** Keys of companies at OpenCorporates: the register's jurisdiction and the number that the register gave. */
import type { Entity } from '../../model/entity.ts'
import { attributeText } from '../shared/entity.ts'
import { foldText, stripId } from '../shared/text.ts'
import { usStateCode } from '../shared/us-states.ts'

export type CompanyKey = { readonly jurisdiction: string; readonly number: string }

const JURISDICTION = /^[a-z]{2}(?:_[a-z]{2,3})?$/
const MAX_NUMBER = 80
/** Numbers with a separator, or of nothing but dots, cannot stand in a path. None of the registers of the US gives such. */
const NO_PATH = /^\.+$|[/\\\u0000-\u001f\u007f]|[\ud800-\udfff]/

/** States and territories whose register OpenCorporates does not have. */
const NOT_COVERED: ReadonlySet<string> = new Set(['AS', 'GU', 'MP', 'VI', 'FM', 'MH', 'PW', 'AA', 'AE', 'AP'])
/** Where companies are founded whatever state they work in. */
export const USUAL_HOME = 'us_de'

/** `us_ca/C3268102`, or the company's address on the web site; null for anything that cannot be asked for. */
export function readCompanyKey(text: string | null | undefined): CompanyKey | null {
  const plain = foldText((text ?? '').slice(0, 400))
  const url = /^https?:\/\/[^/]+\/(?:v[\d.]+\/)?companies\/([^/?#]+)\/([^/?#]+)/i.exec(plain)
  const slash = plain.indexOf('/')
  const jurisdiction = (url === null ? plain.slice(0, Math.max(0, slash)) : url[1]!).toLowerCase()
  const number = url === null ? plain.slice(slash + 1) : decoded(url[2]!)
  if (number === null) return null
  if (!JURISDICTION.test(jurisdiction) || number === '' || number.length > MAX_NUMBER || NO_PATH.test(number)) return null
  return { jurisdiction, number }
}

function decoded(text: string): string | null {
  try {
    return foldText(decodeURIComponent(text.replaceAll('+', ' ')))
  } catch {
    return null
  }
}

export function companyKeyText({ jurisdiction, number }: CompanyKey): string {
  return `${jurisdiction}/${number}`
}

/** Keys are kept in one spelling; the web site's addresses are for people, who are told what to give. */
export function companyKeyProblem(text: string): string | null {
  const key = readCompanyKey(text)
  return key !== null && companyKeyText(key) === text
    ? null
    : 'a key of OpenCorporates is a jurisdiction and the number in its register: us_ca/C3268102'
}

/** Registers write one number with and without leading zeros, spaces and dashes. */
export function isSameCompany(a: CompanyKey, b: CompanyKey): boolean {
  const plain = ({ number }: CompanyKey): string => stripId(number).replace(/^0+(?=.)/, '')
  return a.jurisdiction === b.jurisdiction && plain(a) === plain(b)
}

/** Everything but letters, digits, `-`, `_`, `.` and `~` is escaped: numbers hold brackets and spaces. */
export function companyPath({ jurisdiction, number }: CompanyKey): string {
  const escaped = encodeURIComponent(number).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
  return `/v0.4/companies/${jurisdiction}/${escaped}`
}

/** `us_ca` for a company in California; null without a state whose register OpenCorporates has. */
export function jurisdictionOf(entity: Entity): string | null {
  const state = usStateCode(attributeText(entity, 'state') ?? '')
  if (state === null || NOT_COVERED.has(state)) return null
  return state === 'PR' ? 'pr' : `us_${state.toLowerCase()}`
}
