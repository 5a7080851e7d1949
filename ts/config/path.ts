/** Places in the configuration, as lists of keys and as the text shown to people: `enrichment_refresh.sam_gov.quotas[0].limit`. */

export type PathSegment = string | number

export function formatPath(segments: readonly PathSegment[]): string {
  let text = ''
  for (const segment of segments) {
    if (typeof segment === 'number') text += `[${segment}]`
    else if (/^[\w-]+$/.test(segment)) text += text === '' ? segment : `.${segment}`
    else text += `[${JSON.stringify(segment)}]`
  }
  return text === '' ? '(root)' : text
}

/**
 * Splits `a.b[0].c` or `a.b.0.c`; null when a part is empty. Numbers become list positions only where the caller finds a
 * list, so they stay text here.
 */
export function splitPath(text: string): readonly string[] | null {
  const segments = text.replaceAll(/\[(\d+)\]/g, '.$1').split('.')
  return segments.every((segment) => segment !== '') ? segments : null
}
