/** Recognizes by its first bytes a file that is not the CSV somebody meant to give. */
const starts = (head: Buffer, ...bytes: readonly number[]): boolean => bytes.every((byte, index) => head[index] === byte)

const MAGIC: readonly { readonly bytes: readonly number[]; readonly what: string; readonly hint: string }[] = [
  { bytes: [0x1f, 0x8b], what: 'compressed with gzip', hint: 'Unpack it first: gunzip FILE' },
  { bytes: [0x50, 0x4b, 0x03, 0x04], what: 'a ZIP archive or an Excel workbook', hint: 'Unpack it, or save the sheet as CSV' },
  { bytes: [0x28, 0xb5, 0x2f, 0xfd], what: 'compressed with zstd', hint: 'Unpack it first: unzstd FILE' },
  { bytes: [0x42, 0x5a, 0x68], what: 'compressed with bzip2', hint: 'Unpack it first: bunzip2 FILE' },
  { bytes: [0x50, 0x41, 0x52, 0x31], what: 'a Parquet file', hint: 'Export it as CSV' },
  { bytes: [0x25, 0x50, 0x44, 0x46], what: 'a PDF', hint: 'Give the CSV file' },
  { bytes: [0xff, 0xfe], what: 'UTF-16 text', hint: 'Convert it: iconv -f UTF-16 -t UTF-8 FILE' },
  { bytes: [0xfe, 0xff], what: 'UTF-16 text', hint: 'Convert it: iconv -f UTF-16 -t UTF-8 FILE' },
]

function markup(text: string): { readonly what: string; readonly hint: string } | null {
  const hint = 'The download failed: fetch the file again, or check its address'
  if (/^<(!doctype html|html|head|body)\b/i.test(text)) {
    const title = /<title[^>]*>\s*([^<]{1,120}?)\s*</i.exec(text)?.[1]
    return { what: `an HTML page${title === undefined ? '' : ` ("${title}")`}`, hint }
  }
  if (/^<(\?xml|error)\b/i.test(text)) {
    const code = /<Code>\s*([A-Za-z0-9]{1,60})\s*<\/Code>/.exec(text)?.[1]
    return { what: `an XML document${code === undefined ? '' : ` (${code})`}`, hint }
  }
  if (/^(\{\s*"|\{\s*\}|\[\s*[{[\]])/.test(text)) return { what: 'a JSON document', hint }
  if (text.startsWith('version https://git-lfs.github.com/')) {
    return { what: 'a Git LFS pointer, not the file it points to', hint: 'Fetch the file itself: git lfs pull' }
  }
  return null
}

/** What a file that begins with these bytes is instead of a CSV, and what to do; null when it may well be one. */
export function whyNotCsv(head: Buffer): { readonly what: string; readonly hint: string } | null {
  const magic = MAGIC.find((entry) => starts(head, ...entry.bytes))
  if (magic !== undefined) return magic
  const nul = head.indexOf(0)
  if (nul >= 0 && nul < 512) {
    const everySecond = head.length > 16 && [1, 3, 5, 7].every((at) => head[at] === 0 || head[at - 1] === 0)
    return everySecond
      ? { what: 'UTF-16 text', hint: 'Convert it: iconv -f UTF-16 -t UTF-8 FILE' }
      : { what: 'a binary file', hint: 'Give the CSV file' }
  }
  const text = head
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .trimStart()
  return markup(text)
}
