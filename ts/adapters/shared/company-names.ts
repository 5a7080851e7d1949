/** Names of companies: as keys by which two spellings of one name are one text, and how alike two names are. */
import anyAscii from 'any-ascii'
import { distance } from 'fastest-levenshtein'

const ASCII = /^[\x20-\x7e]*$/
/** No company's name is longer; providers' texts are. */
const MAX_NAME = 300
const MAX_WORDS = 32

/** Without case, accents and compatibility forms: `Café ﬁ` -> `CAFE FI`. */
export function foldName(text: string): string {
  if (ASCII.test(text)) return text.toUpperCase()
  const unmarked = (value: string): string => value.normalize('NFKD').replace(/\p{M}+/gu, '')
  return unmarked(unmarked(text).toUpperCase()).normalize('NFKC')
}

/** In Latin letters: `Łódź Ørsted` -> `Lodz Orsted`, `日本` -> `RiBen`. */
export function inLatin(text: string): string {
  return ASCII.test(text) ? text : anyAscii(text.normalize('NFC').replace(/[™®©℠]/g, ' '))
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
  ...'INC INCORPORATED LLC CORP CORPORATION CO COMPANY LTD LIMITED LP LLP LLLP PLLC PLC PC PBC GMBH'
    .split(' ')
    .map((form) => [form]),
]
const LAST_WORDS: ReadonlySet<string> = new Set(LEGAL_FORMS.map((form) => form.at(-1)!))

/**
 * Forms that are something else at the end of many a name (Pennsylvania, agriculture, a model), so that they stay in keys: two names that
 * differ in one of them are all but the same, not the same.
 */
const RARE_FORMS: readonly (readonly string[])[] = [
  ['L', 'C'],
  ['P', 'A'],
  ['S', 'A'],
  ['B', 'V'],
  ['N', 'V'],
  ...'LC PA SA AG BV NV SARL SRL SAS'.split(' ').map((form) => [form]),
]

function legalFormLength(words: readonly string[]): number {
  if (!LAST_WORDS.has(words.at(-1) ?? '')) return 0
  const form = LEGAL_FORMS.find(
    (candidate) =>
      candidate.length < words.length &&
      candidate.every((word, index) => word === words[words.length - candidate.length + index]),
  )
  return form?.length ?? 0
}

function foldedWords(name: string): string {
  return foldName(name)
    .replaceAll('&', ' AND ')
    .replace(/['’‘ʼ`´.]/g, '')
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
}

/**
 * A company's name as the ledger keys it: upper case, accents and punctuation folded, `&` -> `AND`, legal forms at the end left
 * out (`The Café & Co., L.L.C.` -> `THE CAFE`). Normalizing twice changes nothing. Empty when the text has no letter or digit.
 */
export function normalizeCompanyName(name: string): string {
  const text = foldedWords(name)
  const words = text === '' ? [] : text.split(' ')
  let stripped = false
  for (let length = legalFormLength(words); length > 0; length = legalFormLength(words)) {
    words.length -= length
    stripped = true
    if (words.length > 1 && words.at(-1) === 'AND') words.length -= 1
  }
  return stripped ? words.join(' ') : text
}

/**
 * A company's name as a key for comparison with another register's: `normalizeCompanyName`, besides in Latin letters and without
 * the article in front. `The Ørsted Labs, Inc.` and `ORSTED LABS` are one. Empty when nothing is left. Texts are cut at 300 characters.
 */
export function companyNameKey(name: string): string {
  const key = normalizeCompanyName(inLatin(name.slice(0, MAX_NAME)))
  const words = key.split(' ')
  while (words.length > 1 && words[0] === 'THE') words.shift()
  return words.join(' ')
}

/** The rare form at the end of the name, and the key without it; no form where another one follows it (`Terra Ag LLC`) or nothing is left. */
function withoutRareForm(name: string, key: string): { readonly form: string; readonly stem: string } {
  const words = key.split(' ')
  const rare = RARE_FORMS.find(
    (form) => form.length < words.length && form.every((word, at) => word === words.at(at - form.length)),
  )
  if (rare === undefined) return { form: '', stem: key }
  const form = rare.join(' ')
  const isLast = ` ${foldedWords(inLatin(name.slice(0, MAX_NAME)))}`.endsWith(` ${form}`)
  return isLast ? { form: rare.join(''), stem: words.slice(0, -rare.length).join(' ') } : { form: '', stem: key }
}

/** The words to look for a company by: its key, without a form that other registers may not write (`Acme, L.C.` -> `ACME`). */
export function companySearchName(name: string): string {
  return withoutRareForm(name, companyNameKey(name)).stem
}

/** Words that say little about which company it is, with the one spelling under which they are compared. */
const GENERIC: ReadonlyMap<string, string> = new Map(
  [
    ['TECHNOLOGIES', 'TECHNOLOGY', 'TECH', 'TECHS', 'TECHNOL'],
    ['LABORATORIES', 'LABORATORY', 'LABS', 'LAB'],
    ['SYSTEMS', 'SYSTEM', 'SYS'],
    ['SOLUTIONS', 'SOLUTION'],
    ['INTERNATIONAL', 'INTL', 'INTERNATL'],
    ['ASSOCIATES', 'ASSOCIATE', 'ASSOC', 'ASSOCS'],
    ['ENGINEERING', 'ENGR', 'ENGRG', 'ENG'],
    ['SERVICES', 'SERVICE', 'SVCS', 'SVC'],
    ['SCIENCES', 'SCIENCE', 'SCIENTIFIC', 'SCI'],
    ['INDUSTRIES', 'INDUSTRY', 'IND'],
    ['ENTERPRISES', 'ENTERPRISE', 'ENT'],
    ['MANUFACTURING', 'MFG'],
    ['DEVELOPMENT', 'DEV'],
    ['INSTITUTE', 'INST'],
    ['RESEARCH', 'RES'],
    ['AMERICA', 'AMERICAN', 'AMER'],
    ['NATIONAL', 'NATL'],
    ['GROUP', 'GRP'],
    ['HOLDINGS', 'HOLDING'],
    ['AND'],
    ['OF'],
    ['THE'],
    ['FOR'],
  ].flatMap((words) => words.map((word) => [word, words[0]!] as const)),
)
const GENERIC_WEIGHT = 0.35
/** Two names that are not the same key are never quite sure to be one. */
const NEVER_QUITE = 0.97
const WORD_THRESHOLD = 0.75

type Word = { readonly text: string; readonly weight: number }

function wordsOf(key: string): readonly Word[] {
  const words = key.split(' ').slice(0, MAX_WORDS)
  return words.map((word) => {
    const generic = GENERIC.get(word)
    return { text: generic ?? word, weight: generic === undefined ? 1 : GENERIC_WEIGHT }
  })
}

/** 0-1; short words and numbers are alike only when they are the same: a letter more makes another word of them. */
function wordSimilarity(a: string, b: string): number {
  if (a === b) return 1
  const shorter = Math.min(a.length, b.length)
  if (shorter < 4 || /\d/.test(a) || /\d/.test(b)) return 0
  const similarity = 1 - distance(a, b) / Math.max(a.length, b.length)
  return similarity >= WORD_THRESHOLD ? similarity : 0
}

/** Each word is paired with at most one of the other name, the most alike first. */
function sharedWeight(left: readonly Word[], right: readonly Word[]): number {
  const pairs = left
    .flatMap((a, i) => right.map((b, j) => ({ i, j, value: wordSimilarity(a.text, b.text) * (a.weight + b.weight) })))
    .filter((pair) => pair.value > 0)
    .sort((a, b) => b.value - a.value || a.i + a.j - b.i - b.j || Math.abs(a.i - a.j) - Math.abs(b.i - b.j))
  const usedLeft = new Set<number>()
  const usedRight = new Set<number>()
  let shared = 0
  for (const { i, j, value } of pairs) {
    if (usedLeft.has(i) || usedRight.has(j)) continue
    usedLeft.add(i)
    usedRight.add(j)
    shared += value
  }
  return shared
}

function numbersDiffer(a: string, b: string): boolean {
  const numbers = (key: string): string =>
    key
      .split(' ')
      .filter((word) => /\d/.test(word))
      .sort()
      .join(' ')
  return numbers(a) !== numbers(b)
}

/** Both keys without their rare forms, unless each has another. In order, so that the comparison is the same both ways. */
function comparedKeys(a: string, b: string): readonly [string, string] {
  const [one, two] = [withoutRareForm(a, companyNameKey(a)), withoutRareForm(b, companyNameKey(b))]
  const differ = one.form !== '' && two.form !== '' && one.form !== two.form
  return (differ ? [companyNameKey(a), companyNameKey(b)] : [one.stem, two.stem]).sort() as [string, string]
}

/**
 * How alike two names of companies are, 0-1, the same both ways. 1: the same key. 0.98: the same but for spaces. 0.97: but for a form
 * that may be part of the name (`Acme`, `Acme LC`). Below: the share
 * of words they have in common, where typing errors count for nearly all, words like `TECHNOLOGIES` for little, and names that
 * differ in a number (`Alpha 1`, `Alpha 2`) come to 0.6 at most.
 */
export function companyNameSimilarity(a: string, b: string): number {
  const keys = [companyNameKey(a), companyNameKey(b)].sort() as [string, string]
  if (keys[0] === '' || keys[1] === '') return 0
  if (keys[0] === keys[1]) return 1
  if (keys[0].replaceAll(' ', '') === keys[1].replaceAll(' ', '')) return 0.98
  const [left, right] = comparedKeys(a, b)
  if (left === right) return NEVER_QUITE
  const [leftWords, rightWords] = [wordsOf(left), wordsOf(right)]
  const total = [...leftWords, ...rightWords].reduce((sum, word) => sum + word.weight, 0)
  const score = Math.min(NEVER_QUITE, sharedWeight(leftWords, rightWords) / total)
  return numbersDiffer(left, right) ? Math.min(0.6, score) : score
}
