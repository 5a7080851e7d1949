import type { JsonValue } from '../../model/json.ts'

const PLAIN = /^([+-]?)(\d+)(?:\.(\d*))?$/
const GROUPED = /^[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?$/

function canonical(sign: string, whole: string, fraction: string): string {
  const int = whole.replace(/^0+(?=\d)/, '')
  const rest = fraction.replace(/0+$/, '')
  const digits = rest === '' ? int : `${int}.${rest}`
  return sign === '-' && digits !== '0' ? `-${digits}` : digits
}

/**
 * An amount as its shortest exact decimal: `"274993.00"`, `274993` and `"274,993"` are all `274993`. Numbers are cut at 15
 * significant digits, which is what a double holds, so that `0.1 + 0.2` is `0.3`. Null when it is no finite number.
 */
export function canonicalDecimal(value: JsonValue | undefined): string | null {
  let text: string
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return null
    text = Number.isSafeInteger(value) ? String(value) : value.toPrecision(15)
  } else if (typeof value === 'string') {
    text = value.trim().replace(/^([+-]?)\$\s*/, '$1')
    if (GROUPED.test(text)) text = text.replaceAll(',', '')
  } else {
    return null
  }
  const exponential = /^([+-]?\d+)(?:\.(\d*))?[eE]([+-]?\d{1,3})$/.exec(text)
  if (exponential !== null) text = shift(exponential[1]!, exponential[2] ?? '', Number(exponential[3]))
  const match = PLAIN.exec(text)
  return match === null ? null : canonical(match[1]!, match[2]!, match[3] ?? '')
}

/** Writes `digits.fraction × 10^exponent` without an exponent. */
function shift(whole: string, fraction: string, exponent: number): string {
  const sign = whole.startsWith('-') ? '-' : ''
  const digits = whole.replace(/^[+-]/, '') + fraction
  const point = whole.replace(/^[+-]/, '').length + exponent
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`
  if (point >= digits.length) return `${sign}${digits}${'0'.repeat(point - digits.length)}`
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`
}
