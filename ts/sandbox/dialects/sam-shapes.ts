/** SAM entity rows, shaped like the recordings. */
import type { JsonObject, JsonValue } from '../../model/json.ts'
import { dayText } from '../world/awards.ts'
import type { Company } from '../world/companies.ts'
import type { Registration } from '../world/sam-world.ts'

export const SECTIONS = ['entityRegistration', 'coreData', 'assertions', 'pointsOfContact'] as const
export type Section = (typeof SECTIONS)[number]

/** A company's rows: one, or two that differ in entityEFTIndicator and CAGE code. */
export type SamRow = { readonly company: Company; readonly registration: Registration; readonly eft: string | null }

/** The second account of an entity has a CAGE code of its own. */
export function cageOf({ registration, eft }: SamRow): string | null {
  const { cage } = registration
  return eft === null || cage === null ? cage : `${cage.slice(0, 4)}${(Number(cage.at(-1)) + 3) % 10}`
}

function registrationBlock(row: SamRow): JsonObject {
  const { company, registration, eft } = row
  return {
    samRegistered: 'Yes',
    ueiSAM: company.uei,
    entityEFTIndicator: eft,
    cageCode: cageOf(row),
    dodaac: null,
    legalBusinessName: registration.legalName,
    dbaName: registration.dbaName,
    purposeOfRegistrationCode: 'Z2',
    purposeOfRegistrationDesc: 'All Awards',
    // The word of the recordings; the filter registrationStatus calls the same state E.
    registrationStatus: registration.active ? 'Active' : 'Inactive',
    evsSource: 'E&Y',
    registrationDate: dayText(registration.registered),
    lastUpdateDate: dayText(registration.lastUpdate),
    registrationExpirationDate: dayText(registration.expires),
    activationDate: dayText(registration.activated),
    ueiStatus: 'Active',
    ueiExpirationDate: null,
    ueiCreationDate: dayText(registration.registered - 2),
    publicDisplayFlag: 'Y',
    exclusionStatusFlag: registration.excluded ? 'Y' : 'N',
    exclusionURL: null,
    dnbOpenData: null,
  }
}

function address({ company, registration }: SamRow): JsonObject {
  return {
    addressLine1: registration.address1,
    addressLine2: registration.address2,
    city: company.place.city.toUpperCase(),
    stateOrProvinceCode: company.place.state,
    zipCode: registration.zip5,
    zipCodePlus4: registration.zip4,
    countryCode: 'USA',
  }
}

function businessTypes({ womanOwned, disadvantaged }: Company): readonly JsonObject[] {
  const list: JsonObject[] = [
    { businessTypeCode: '2X', businessTypeDesc: 'For Profit Organization' },
    { businessTypeCode: 'F', businessTypeDesc: 'Business or Organization' },
  ]
  if (disadvantaged) list.unshift({ businessTypeCode: '27', businessTypeDesc: 'Self Certified Small Disadvantaged Business' })
  if (womanOwned) list.push({ businessTypeCode: 'A2', businessTypeDesc: 'Woman Owned Business' })
  return list
}

/** A certification by the SBA, or the element of nulls that SAM writes for an empty list. */
function sbaTypes({ company, registration }: SamRow): readonly JsonObject[] {
  if (!company.disadvantaged)
    return [{ sbaBusinessTypeCode: null, sbaBusinessTypeDesc: null, certificationEntryDate: null, certificationExitDate: null }]
  return [
    {
      sbaBusinessTypeCode: 'A6',
      sbaBusinessTypeDesc: 'SBA Certified 8A Program Participant',
      certificationEntryDate: dayText(registration.registered),
      certificationExitDate: dayText(registration.registered + 9 * 365),
    },
  ]
}

function coreBlock(row: SamRow): JsonObject {
  const { company, registration } = row
  const limited = /LLC|L\.L\.C/i.test(registration.legalName)
  return {
    entityInformation: {
      entityURL: company.hasWebsite ? `www.${company.domain}` : null,
      entityDivisionName: null,
      entityDivisionNumber: null,
      entityStartDate: `${company.foundedYear}-0${1 + (company.index % 9)}-15`,
      fiscalYearEndCloseDate: '12/31',
      submissionDate: dayText(registration.submitted),
    },
    physicalAddress: address(row),
    mailingAddress: address(row),
    congressionalDistrict: company.place.district,
    generalInformation: {
      entityStructureCode: limited ? 'LJ' : '2L',
      entityStructureDesc: limited ? 'Limited Liability Company' : 'Corporate Entity (Not Tax Exempt)',
      entityTypeCode: 'F',
      entityTypeDesc: 'Business or Organization',
      profitStructureCode: '2X',
      profitStructureDesc: 'For Profit Organization',
      organizationStructureCode: null,
      organizationStructureDesc: null,
      stateOfIncorporationCode: company.place.state,
      stateOfIncorporationDesc: company.place.stateName.toUpperCase(),
      countryOfIncorporationCode: 'USA',
      countryOfIncorporationDesc: 'UNITED STATES',
    },
    businessTypes: {
      businessTypeList: businessTypes(company),
      sbaBusinessTypeList: sbaTypes(row),
    },
    financialInformation: { creditCardUsage: company.index % 2 === 0 ? 'Y' : 'N', debtSubjectToOffset: 'N' },
  }
}

function assertionsBlock({ company }: SamRow): JsonObject {
  return {
    goodsAndServices: {
      primaryNaics: '541715',
      naicsList: [
        { naicsCode: '541330', naicsDescription: 'Engineering Services', sbaSmallBusiness: 'Y', naicsException: null },
        {
          naicsCode: '541715',
          naicsDescription: 'Research And Development In The Physical, Engineering, And Life Sciences',
          sbaSmallBusiness: 'Y',
          naicsException: null,
        },
      ],
      pscList: [
        { pscCode: 'AC12', pscDescription: 'National Defense R&D Services; Department Of Defense - Military; Applied Research' },
      ],
    },
    disasterReliefData: {
      disasterRegistryFlag: company.index % 11 === 0 ? 'YES' : null,
      bondingFlag: null,
      geographicalAreaServed: [
        {
          geographicalAreaServedStateCode: null,
          geographicalAreaServedStateName: null,
          geographicalAreaServedCountyCode: null,
          geographicalAreaServedCountyName: null,
          geographicalAreaServedmetropolitanStatisticalAreaCode: null,
          geographicalAreaServedmetropolitanStatisticalAreaName: null,
        },
      ],
    },
    ediInformation: { ediInformationFlag: 'N' },
  }
}

function contactsBlock(row: SamRow): JsonObject {
  const [first = null, ...rest] = row.company.contact
    .replace(/^Dr\. /, '')
    .replace(/,.*$/, '')
    .split(' ')
  const place = address(row)
  const person = { firstName: first, middleInitial: null, lastName: rest.at(-1) ?? null, title: null, ...place }
  const nobody = Object.fromEntries(Object.keys(person).map((key) => [key, null]))
  return {
    governmentBusinessPOC: person,
    electronicBusinessPOC: person,
    governmentBusinessAlternatePOC: nobody,
    electronicBusinessAlternatePOC: nobody,
    pastPerformancePOC: nobody,
    pastPerformanceAlternatePOC: nobody,
  }
}

const BLOCKS: Readonly<Record<Section, (row: SamRow) => JsonValue>> = {
  entityRegistration: registrationBlock,
  coreData: coreBlock,
  assertions: assertionsBlock,
  pointsOfContact: contactsBlock,
}

export function entityRow(row: SamRow, sections: readonly Section[]): JsonObject {
  return Object.fromEntries(sections.map((section) => [section, BLOCKS[section](row)]))
}
