import { describe, expect, it } from 'vitest'
import { normalizeCompanyName, normalizePersonName } from '../../../ts/adapters/shared/names.ts'
import { domainOf } from '../../../ts/ingest/domains.ts'

describe('normalizeCompanyName', () => {
  it.each([
    ['Acme Photonics, Inc.', 'ACME PHOTONICS'],
    ['ACME PHOTONICS INCORPORATED', 'ACME PHOTONICS'],
    ['Acme Photonics, L.L.C.', 'ACME PHOTONICS'],
    ['Acme Photonics L. L. C.', 'ACME PHOTONICS'],
    ['DRIVE THERAPEUTICS, L.L.C.', 'DRIVE THERAPEUTICS'],
    ['IIAM CORPORATION', 'IIAM'],
    ['HUMAN CELL CO', 'HUMAN CELL'],
    ['Smith & Co., Ltd.', 'SMITH'],
    ['Johnson & Johnson', 'JOHNSON AND JOHNSON'],
    ['Acme Company, Inc.', 'ACME'],
    ['Acme Holdings Limited Partnership', 'ACME HOLDINGS'],
    ["O'Brien Labs", 'OBRIEN LABS'],
    ['O’Brien Labs', 'OBRIEN LABS'],
    ['A.B.C. Systems', 'ABC SYSTEMS'],
    ['Café-Ünïted  GmbH', 'CAFE UNITED'],
    ['ﬁne Ｗidgets', 'FINE WIDGETS'],
    ['Straße AI', 'STRASSE AI'],
    ['3DT Holdings, LLC', '3DT HOLDINGS'],
    ['日本電気', '日本電気'],
    ['Inc', 'INC'],
    ['LLC Co', 'LLC'],
    ['Incyte', 'INCYTE'],
    ['Limited Imaging Labs', 'LIMITED IMAGING LABS'],
    ['!!!', ''],
    ['', ''],
  ])('%j -> %j', (name, expected) => expect(normalizeCompanyName(name)).toBe(expected))
})

describe('normalizePersonName', () => {
  it.each([
    ['Jane Doe', 'JANE DOE'],
    ['Dr. Jane  Doe', 'JANE DOE'],
    ['Jane Doe, PhD', 'JANE DOE'],
    ['Jane Doe, Ph.D.', 'JANE DOE'],
    ['JANE DOE M.D. PHD', 'JANE DOE'],
    ['Doe, Jane', 'JANE DOE'],
    ['Doe, Jane, PhD', 'JANE DOE'],
    ['John Smith, Jr.', 'JOHN SMITH JR'],
    ['José Núñez', 'JOSE NUNEZ'],
    ["Mary O'Neil-Smith", 'MARY ONEIL SMITH'],
    ['Dr.', 'DR'],
    ['12345', ''],
    ['', ''],
  ])('%j -> %j', (name, expected) => expect(normalizePersonName(name)).toBe(expected))
})

describe('domainOf', () => {
  it.each([
    ['https://www.acme-labs.com', 'acme-labs.com'],
    ['http://WWW.Acme-Labs.COM:8080/about?x=1#top', 'acme-labs.com'],
    ['acme-labs.com/', 'acme-labs.com'],
    ['www.acme-labs.com.', 'acme-labs.com'],
    ['http://http://www.acme.com', 'acme.com'],
    ['http//acme.com', 'acme.com'],
    ['http:/acme.com', 'acme.com'],
    ['//acme.com', 'acme.com'],
    ['acme.com; other.com', 'acme.com'],
    ['acme.com and other.com', 'acme.com'],
    ['info@acme.com', 'acme.com'],
    ['labs.research.acme.co.uk', 'acme.co.uk'],
    ['acme.wixsite.com/home', 'acme.wixsite.com'],
    ['https://münchen-labs.de', 'xn--mnchen-labs-thb.de'],
    ['https://acme.example', 'acme.example'],
    ['https://user:secret@acme.com/', 'acme.com'],
    ['httpslabs.com', 'httpslabs.com'],
  ])('%j -> %j', (website, expected) => expect(domainOf(website)).toBe(expected))

  it.each([
    null,
    '',
    'n/a',
    'N/A',
    'none',
    'TBD',
    'www',
    'acme',
    'http://',
    'https://localhost',
    'http://10.0.0.1/x',
    '[::1]',
    'co.uk',
    'wixsite.com',
    'acme.con',
    'pat@gmail.com',
    'https://www.linkedin.com/company/acme',
    'yahoo.com',
    'a_b.com',
    'acme .com',
    '../../etc/passwd',
    'javascript:alert(1)',
    '-acme.com',
  ])('%j names none', (website) => expect(domainOf(website)).toBeNull())
})
