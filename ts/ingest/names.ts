/** Names as keys: two spellings of one name become one text. Used by ingest and by identity resolution. */

const ASCII = /^[\x20-\x7e]*$/

/** Without case, accents and compatibility forms: `Café ﬁ` -> `CAFE FI`. */
function fold(text: string): string {
  if (ASCII.test(text)) return text.toUpperCase()
  const unmarked = (value: string): string => value.normalize('NFKD').replace(/\p{M}+/gu, '')
  return unmarked(unmarked(text).toUpperCase()).normalize('NFKC')
}

/** Legal forms at the end of a company's name, by their words from the last one back. */
const LEGAL_FORMS: readonly (readonly string[])[] = [
  ['LIMITED', 'LIABILITY', 'COMPANY'],
  ['LIMITED', 'LIABILITY', 'CO'],
  ['LIMITED', 'LIABILITY', 'PARTNERSHIP'],
  ['LIMITED', 'PARTNERSHIP'],
  ['PUBLIC', 'LIMITED', 'COMPANY'],
  ['PUBLIC', 'BENEFIT', 'CORPORATION'],
  ['PROFESSIONAL', 'CORPORATION'],
  ['P', 'L', 'L', 'C'],
  ['L', 'L', 'C'],
  ['L', 'L', 'P'],
  ['L', 'P'],
  ['P', 'C'],
  ['P', 'B', 'C'],
  ...[
    'INC',
    'INCORPORATED',
    'LLC',
    'CORP',
    'CORPORATION',
    'CO',
    'COMPANY',
    'LTD',
    'LIMITED',
    'LP',
    'LLP',
    'LLLP',
    'PLLC',
    'PLC',
    'PC',
    'PBC',
    'GMBH',
  ].map((form) => [form]),
]
const LAST_WORDS: ReadonlySet<string> = new Set(LEGAL_FORMS.map((form) => form.at(-1)!))

function legalFormLength(words: readonly string[]): number {
  if (!LAST_WORDS.has(words.at(-1) ?? '')) return 0
  const form = LEGAL_FORMS.find(
    (candidate) =>
      candidate.length < words.length &&
      candidate.every((word, index) => word === words[words.length - candidate.length + index]),
  )
  return form?.length ?? 0
}

/**
 * A company's name for comparison: upper case, accents and punctuation folded, `&` -> `AND`, legal forms at the end left
 * out (`The Café & Co., L.L.C.` -> `THE CAFE`). Normalizing twice changes nothing. Empty when the text has no letter or digit.
 */
export function normalizeCompanyName(name: string): string {
  const text = fold(name)
    .replaceAll('&', ' AND ')
    .replace(/['’‘ʼ`´.]/g, '')
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
  const words = text === '' ? [] : text.split(' ')
  let stripped = false
  for (let length = legalFormLength(words); length > 0; length = legalFormLength(words)) {
    words.length -= length
    stripped = true
    if (words.length > 1 && words.at(-1) === 'AND') words.length -= 1
  }
  return stripped ? words.join(' ') : text
}

const TITLES: ReadonlySet<string> = new Set(['DR', 'PROF', 'PROFESSOR', 'MR', 'MRS', 'MS'])
const DEGREES: ReadonlySet<string> = new Set(['PHD', 'MD', 'SCD', 'DSC', 'DVM', 'MBA', 'MS', 'MSC', 'PE', 'ESQ', 'DDS', 'PHARMD'])

/** Splits off `, PhD` and turns `Doe, Jane` round. */
function inSpokenOrder(text: string): string {
  const [family = '', ...rest] = text.split(',').map((part) => part.trim())
  const given = rest.filter((part) => part !== '' && !isSuffix(part))
  const suffixes = rest.filter((part) => part !== '' && isSuffix(part))
  return [...(given.length === 1 ? [given[0], family] : [family, ...given]), ...suffixes].join(' ')
}

function isSuffix(part: string): boolean {
  const word = part.replace(/[.\s]/g, '')
  return DEGREES.has(word) || /^(JR|SR|II|III|IV)$/.test(word)
}

/**
 * A person's name for comparison: upper case, accents and punctuation folded, titles and degrees left out, `Doe, Jane` as
 * `JANE DOE`. Empty when the text has no letter.
 */
export function normalizePersonName(name: string): string {
  const words = inSpokenOrder(fold(name))
    .replace(/['’‘ʼ`´.]/g, '')
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
    .split(' ')
  while (words.length > 1 && TITLES.has(words[0]!)) words.shift()
  while (words.length > 1 && DEGREES.has(words.at(-1)!)) words.pop()
  const text = words.join(' ')
  return /\p{L}/u.test(text) ? text : ''
}
