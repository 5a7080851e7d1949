import { describe, expect, it } from 'vitest'
import {
  companyNameKey,
  companyNameSimilarity,
  companySearchName,
  normalizeCompanyName,
  personNameParts,
  personNameSimilarity,
} from '../../../ts/adapters/shared/names.ts'

describe('companyNameKey', () => {
  it.each([
    ['The Acme Photonics, Inc.', 'ACME PHOTONICS'],
    ['The The Band LLC', 'BAND'],
    ['The, Inc.', 'THE'],
    ['Łódź Ørsted™ Labs GmbH', 'LODZ ORSTED LABS'],
    ['Æther & Söhne', 'AETHER AND SOHNE'],
    ['日本電気', 'RIBENDIANQI'],
    ['A.B.C. Systems', 'ABC SYSTEMS'],
    ['™', ''],
    ['', ''],
  ])('%j -> %j', (name, key) => expect(companyNameKey(name)).toBe(key))

  it('cuts hostile lengths', () => expect(companyNameKey('x '.repeat(100_000)).length).toBeLessThan(300))
})

describe('companySearchName', () => {
  it.each([
    ['Acme Robotics, L.C.', 'ACME ROBOTICS'],
    ['Acme Robotics LLC', 'ACME ROBOTICS'],
    ['Terra Ag LLC', 'TERRA AG'],
    ['LC', 'LC'],
    ['', ''],
  ])('%j -> %j', (name, key) => expect(companySearchName(name)).toBe(key))

  it('leaves keys as they are, by which the ledger and decisions of people know companies', () => {
    expect(companyNameKey('Acme Robotics, L.C.')).toBe('ACME ROBOTICS LC')
    expect(normalizeCompanyName('Acme Robotics, L.C.')).toBe('ACME ROBOTICS LC')
  })
})

describe('companyNameSimilarity', () => {
  it.each([
    ['The Acme Photonics, Inc.', 'ACME PHOTONICS', 1, 1],
    ['Blue Sky', 'BlueSky Inc', 0.98, 0.98],
    ['Acme Technologies', 'Acme Tech Inc', 0.97, 0.97],
    ['Acme Photonix LLC', 'Acme Photonics', 0.85, 0.95],
    ['Blue Sky', 'Blue Sky Labs', 0.85, 0.95],
    ['Acme Photonics', 'Acme Robotics', 0, 0.55],
    ['Alpha 1 Systems', 'Alpha 2 Systems', 0, 0.6],
    ['Physical Sciences', 'Physics Sciences', 0, 0.97],
    ['Research Laboratories', 'Systems Solutions', 0, 0],
    ['', 'Acme', 0, 0],
    // Forms that may be part of a name, too: all but the same, and all the same where they are written otherwise.
    ['Acme LC', 'Acme', 0.97, 0.97],
    ['Acme, L.C.', 'Acme Inc.', 0.97, 0.97],
    ['Acme L C', 'Acme LLC', 0.97, 0.97],
    ['Smith Dental, P.A.', 'Smith Dental', 0.97, 0.97],
    ['Siemens AG', 'Siemens', 0.97, 0.97],
    ['Nanobiotix S.A.', 'NANOBIOTIX', 0.97, 0.97],
    ['Mapper Lithography B.V.', 'Mapper Lithography', 0.97, 0.97],
    ['Acme LC', 'ACME L.C.', 1, 1],
    ['Acme Photonix LC', 'Acme Photonics', 0.85, 0.95],
    // Two of them are two companies, one in front of another form is a part of the name, and alone it is all there is.
    ['Acme AG', 'Acme SA', 0, 0.67],
    ['Terra Ag LLC', 'Terra LLC', 0, 0.67],
    ['SA', 'AG', 0, 0],
    ['LC', 'Acme LC', 0, 0.67],
  ])('%j, %j: %d to %d', (a, b, least, most) => {
    const similarity = companyNameSimilarity(a, b)
    expect(similarity).toBeGreaterThanOrEqual(least)
    expect(similarity).toBeLessThanOrEqual(most)
    expect(companyNameSimilarity(b, a)).toBe(similarity)
  })
})

describe('personNameParts', () => {
  it.each([
    ['Jane Doe', ['JANE', '', 'DOE', '']],
    ['Dr. Jane  Q. Doe', ['JANE', 'Q', 'DOE', '']],
    ['Doe, Jane Q., PhD', ['JANE', 'Q', 'DOE', '']],
    ['John Smith, Jr.', ['JOHN', '', 'SMITH', 'JR']],
    ['Smith Jr., John A.', ['JOHN', 'A', 'SMITH', 'JR']],
    ['JANE DOE M.D. PHD', ['JANE', '', 'DOE', '']],
    ['J.R.R. Tolkien', ['J', 'R R', 'TOLKIEN', '']],
    ['José Núñez', ['JOSE', '', 'NUNEZ', '']],
    ['Vincent Van der Berg III', ['VINCENT', '', 'VAN DER BERG', 'III']],
    ['Garcia Lopez, Juan', ['JUAN', '', 'GARCIA LOPEZ', '']],
    ["Mary Ann O'Neil-Smith", ['MARY', 'ANN', 'ONEIL-SMITH', '']],
    ['Al Gore', ['AL', '', 'GORE', '']],
    ['Łukasz Ørsted', ['LUKASZ', '', 'ORSTED', '']],
    ['Doe', ['', '', 'DOE', '']],
    ['', ['', '', '', '']],
  ])('%j', (name, [given, middle, family, suffix]) => expect(personNameParts(name)).toEqual({ given, middle, family, suffix }))
})

describe('personNameSimilarity', () => {
  it.each([
    ['Doe, Jane', 'JANE DOE', 1],
    ['Jane Doe', 'J Doe', 0.85],
    ['Jane Q Doe', 'Jane Doe', 0.95],
    ['Robert Smith', 'Bob Smith', 0.92],
    ['Daniel Smith', 'Dan Smith', 0.9],
    ['John A Smith', 'John B Smith', 0.6],
    ['John Smith Jr', 'John Smith Sr', 0.5],
    ['Wei Ming Zhang', 'Weiming Zhang', 0.97],
    ['J. Robert Oppenheimer', 'Robert Oppenheimer', 0.85],
    ['Zhang Wei', 'Wei Zhang', 0.85],
    ['Juan Garcia', 'Juan Garcia Lopez', 0.7],
    ['Jane Doe', 'Mark Doe', 0],
    ['Jane Doe', 'Jane Roe', 0],
    ['', 'Jane Doe', 0],
  ])('%j, %j: %d', (a, b, expected) => {
    expect(personNameSimilarity(a, b)).toBeCloseTo(expected, 10)
    expect(personNameSimilarity(b, a)).toBeCloseTo(expected, 10)
  })
})
