import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { whyNotCsv } from '../../../ts/ingest/not-csv.ts'

const cases: readonly (readonly [string, Buffer, RegExp])[] = [
  ['gzip', gzipSync('a,b\n1,2\n'), /gzip/],
  ['zip', Buffer.from('PK\x03\x04rest'), /ZIP|Excel/],
  ['parquet', Buffer.from('PAR1....'), /Parquet/],
  ['UTF-16 with a mark', Buffer.from('\uFEFFCompany,UEI\n', 'utf16le'), /UTF-16/],
  ['UTF-16 without a mark', Buffer.from('Company,UEI,Agency\n', 'utf16le'), /UTF-16/],
  ['binary', Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 11, 12, 13, 14, 15, 16, 17, 18]), /binary/],
  [
    'an HTML page',
    Buffer.from('\n<!DOCTYPE html><html><head><title> 503 Service Unavailable </title>'),
    /HTML page \("503 Service Unavailable"\)/,
  ],
  [
    'an S3 error',
    Buffer.from('<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'),
    /XML document \(AccessDenied\)/,
  ],
  ['a bare S3 error', Buffer.from('<Error><Code>NoSuchKey</Code></Error>'), /NoSuchKey/],
  ['JSON', Buffer.from('{"message":"Forbidden"}'), /JSON/],
  ['a JSON list', Buffer.from('[{"firm":"x"}]'), /JSON/],
  ['a Git LFS pointer', Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:0\n'), /LFS pointer/],
]

describe('whyNotCsv', () => {
  it.each(cases)('recognizes %s and says what to do', (_, head, expected) => {
    const why = whyNotCsv(head)
    expect(why?.what).toMatch(expected)
    expect(why?.hint).not.toBe('')
  })

  it.each(['Company,UEI\n', '\uFEFF"Company","UEI"\r\n', 'a;b\n', 'PKA,PKB\n', '<b>,x\n', ''])('lets %j pass', (text) => {
    expect(whyNotCsv(Buffer.from(text))).toBeNull()
  })
})
