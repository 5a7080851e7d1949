/** The eleven SBIR agencies: how SBIR.gov and USAspending call them, and what their award numbers look like. */
import type { Rng } from './prng.ts'

export type SubAgency = {
  readonly branch: string
  readonly name: string
  readonly code: string
  readonly abbreviation: string
  readonly offices: readonly string[]
  readonly weight: number
}

export type Agency = {
  /** As the bulk file writes it. */
  readonly name: string
  readonly abbreviation: string
  readonly weight: number
  readonly kind: 'contract' | 'grant'
  readonly toptier: {
    readonly name: string
    readonly code: string
    readonly id: number
    readonly slug: string
    readonly abbreviation: string
  }
  readonly subs: readonly SubAgency[]
  /** Last part of `generated_unique_award_id`. */
  idCode(sub: SubAgency): string
  /** The award number as the SBIR file shows it, and as USAspending knows it. */
  number(
    rng: Rng,
    sub: SubAgency,
    year: number,
    phase: string,
    program: string,
  ): { readonly contract: string; readonly awardId: string }
  tracking(rng: Rng, sub: SubAgency, year: number, contract: string): string
  topic(rng: Rng, sub: SubAgency, year: number): string
}

const yy = (year: number) => String(year % 100).padStart(2, '0')
const sub = (branch: string, name: string, code: string, abbreviation: string, offices: string, weight = 1): SubAgency => ({
  branch,
  name,
  code,
  abbreviation,
  offices: offices.split(' '),
  weight,
})
const top = (name: string, code: string, id: number, abbreviation: string) => ({
  name,
  code,
  id,
  abbreviation,
  slug: name.toLowerCase().replaceAll(' ', '-'),
})
const same = (number: string) => ({ contract: number, awardId: number.replace(/[^A-Z0-9]/g, '') })
const topicOf = (rng: Rng, ...codes: string[]) => rng.pick(codes)

const DOD: Agency = {
  name: 'Department of Defense',
  abbreviation: 'DOD',
  weight: 50,
  kind: 'contract',
  toptier: top('Department of Defense', '097', 1173, 'DOD'),
  subs: [
    sub(
      'Air Force',
      'Department of the Air Force',
      '5700',
      'USAF',
      'FA8650 FA8651 FA8649 FA9451 FA9550 FA8750 FA2394 FA9300',
      40,
    ),
    sub('Navy', 'Department of the Navy', '1700', 'USN', 'N00014 N00024 N68335 N00178 N66001 N68936 M67854', 26),
    sub('Army', 'Department of the Army', '2100', 'USA', 'W31P4Q W911NF W911QX W15P7T W51701 W56HZV W81XWH', 20),
    sub('Missile Defense Agency', 'Missile Defense Agency', '97JC', 'MDA', 'HQ0147 HQ0860', 6),
    sub(
      'Defense Advanced Research Projects Agency',
      'Defense Advanced Research Projects Agency',
      '97AE',
      'DARPA',
      'HR0011 D17PC0',
      4,
    ),
    sub('Special Operations Command', 'U.S. Special Operations Command', '97ZS', 'USSOCOM', 'H92222 H92405', 2),
    sub('Defense Logistics Agency', 'Defense Logistics Agency', '97AS', 'DLA', 'SP4701 SP8000', 2),
  ],
  idCode: () => '9700',
  number(rng, { offices }, year, phase) {
    const type =
      phase === 'Phase I'
        ? rng.weighted([
            ['P', 6],
            ['C', 4],
          ] as const)
        : rng.weighted([
            ['C', 9],
            ['P', 1],
          ] as const)
    const serial = rng.chance(0.15) ? 'ABLS'[rng.below(4)] + rng.digits(3) : rng.digits(4)
    const text = `${rng.pick(offices)}-${yy(year)}-${type}-${serial}`
    const awardId = text.replaceAll('-', '')
    return { contract: year >= 2020 && rng.chance(0.12) ? awardId : text, awardId }
  },
  tracking(rng, { branch }, year) {
    const letter = branch === 'Missile Defense Agency' ? 'B' : branch.startsWith('Defense Adv') ? 'D' : branch[0]!
    if (year >= 2019) return `${letter}${yy(year)}${rng.between(1, 4)}-${rng.digits(4)}-${rng.digits(4)}`
    return `${letter}${yy(year)}${rng.between(1, 3)}-${rng.digits(3)}-${rng.digits(4)}`
  },
  topic: (rng, { abbreviation }, year) =>
    `${abbreviation === 'USAF' ? 'AF' : abbreviation === 'USN' ? 'N' : abbreviation === 'USA' ? 'A' : abbreviation}${yy(year)}${rng.between(1, 3)}-${rng.digits(3)}`,
}

const INSTITUTES = ['CA', 'HL', 'AI', 'GM', 'NS', 'EY', 'DK', 'AG', 'MH', 'DA', 'HD', 'DE', 'ES', 'DC', 'TR', 'MD'] as const
const HHS: Agency = {
  name: 'Department of Health and Human Services',
  abbreviation: 'HHS',
  weight: 20,
  kind: 'grant',
  toptier: top('Department of Health and Human Services', '075', 806, 'HHS'),
  subs: [
    sub('National Institutes of Health', 'National Institutes of Health', '7529', 'NIH', 'NIH', 19),
    sub('Centers for Disease Control and Prevention', 'Centers for Disease Control and Prevention', '7523', 'CDC', 'CDC', 1),
  ],
  idCode: ({ code }) => code,
  number(rng, _sub, _year, phase, program) {
    const activity = program === 'STTR' ? (phase === 'Phase I' ? 'R41' : 'R42') : phase === 'Phase I' ? 'R43' : 'R44'
    const core = `${activity}${rng.pick(INSTITUTES)}${rng.digits(6)}`
    // Some agencies print the whole application number; USAspending has the core number only.
    const contract = rng.chance(0.15) ? `${rng.between(1, 2)}${core}-0${rng.between(1, 3)}${rng.chance(0.4) ? 'A1' : ''}` : core
    return { contract, awardId: core }
  },
  tracking: (_rng, _sub, _year, contract) => contract,
  topic: (rng) => topicOf(rng, 'NCI', 'NHLBI', 'NIAID', 'NEI', 'NINDS', 'NIA', '102', '300', 'R'),
}

const NASA: Agency = {
  name: 'National Aeronautics and Space Administration',
  abbreviation: 'NASA',
  weight: 9,
  kind: 'contract',
  toptier: top('National Aeronautics and Space Administration', '080', 862, 'NASA'),
  subs: [sub('', 'National Aeronautics and Space Administration', '8000', 'NASA', 'NASA')],
  idCode: () => '8000',
  number(rng, _sub, year, phase) {
    const type = phase === 'Phase I' ? 'P' : 'C'
    return same(
      year >= 2018
        ? `80NSSC${yy(year)}${type}${rng.digits(4)}`
        : `NNX${yy(year)}C${'ABCDEGHJKL'[rng.below(10)]}${rng.digits(2)}${type}`,
    )
  },
  tracking: (rng, _sub, year) => `${yy(year)}${rng.between(1, 2)}${rng.digits(3)}`,
  topic: (rng) => `${'AHSTZ'[rng.below(5)]}${rng.between(1, 16)}.${String(rng.between(1, 12)).padStart(2, '0')}`,
}

const NSF: Agency = {
  name: 'National Science Foundation',
  abbreviation: 'NSF',
  weight: 8,
  kind: 'grant',
  toptier: top('National Science Foundation', '049', 1125, 'NSF'),
  subs: [sub('', 'National Science Foundation', '4900', 'NSF', 'NSF')],
  idCode: () => '4900',
  number: (rng, _sub, year) => same(`${yy(year)}${rng.digits(5)}`),
  tracking: (_rng, _sub, _year, contract) => contract,
  topic: (rng) => topicOf(rng, 'BT', 'LC', 'ET', 'MD', 'PT', 'DH', 'IT', 'CT', 'EA', 'W', 'AI'),
}

const DOE: Agency = {
  name: 'Department of Energy',
  abbreviation: 'DOE',
  weight: 7,
  kind: 'grant',
  toptier: top('Department of Energy', '089', 827, 'DOE'),
  subs: [sub('Office of Science', 'Department of Energy', '8900', 'DOE', 'DOE')],
  idCode: () => '089',
  number: (rng) => same(`DE-SC00${rng.digits(5)}`),
  tracking: (rng) => `0000${rng.digits(6)}`,
  topic: (rng) => `${rng.between(1, 40)}${'abcd'[rng.below(4)]}`,
}

/** The smaller agencies differ in their numbers alone. */
function small(
  name: string,
  abbreviation: string,
  kind: 'contract' | 'grant',
  weight: number,
  code: string,
  id: number,
  part: SubAgency,
  number: Agency['number'],
): Agency {
  return {
    name,
    abbreviation,
    weight,
    kind,
    toptier: top(name, code, id, abbreviation),
    subs: [part],
    idCode: () => part.code,
    number,
    tracking: (rng, _sub, year) => `${abbreviation}-${year}-${rng.digits(5)}`,
    topic: (rng, _sub, year) => `${yy(year)}.${rng.between(1, 9)}`,
  }
}

export const AGENCIES: readonly Agency[] = [
  DOD,
  HHS,
  NASA,
  NSF,
  DOE,
  small(
    'Department of Agriculture',
    'USDA',
    'grant',
    1.5,
    '012',
    166,
    sub('National Institute of Food and Agriculture', 'National Institute of Food and Agriculture', '12H2', 'NIFA', 'NIFA'),
    (rng, _sub, year) => same(`${year}-336${rng.digits(2)}-${rng.digits(5)}`),
  ),
  small(
    'Environmental Protection Agency',
    'EPA',
    'contract',
    0.5,
    '068',
    731,
    sub('', 'Environmental Protection Agency', '6800', 'EPA', 'EPA'),
    (rng, _sub, year) => same(year >= 2019 ? `68HERC${yy(year)}C${rng.digits(4)}` : `EPD${yy(year)}${rng.digits(3)}`),
  ),
  small(
    'Department of Commerce',
    'DOC',
    'grant',
    1,
    '013',
    183,
    sub(
      'National Institute of Standards and Technology',
      'National Institute of Standards and Technology',
      '1341',
      'NIST',
      'NIST',
    ),
    (rng, _sub, year) => same(`70NANB${yy(year)}H${rng.digits(3)}`),
  ),
  small(
    'Department of Education',
    'ED',
    'contract',
    1,
    '091',
    1067,
    sub('Institute of Education Sciences', 'Department of Education', '9100', 'ED', 'ED'),
    (rng, _sub, year) => same(year >= 2018 ? `919900${yy(year)}C${rng.digits(4)}` : `EDIES${yy(year)}C${rng.digits(4)}`),
  ),
  small(
    'Department of Transportation',
    'DOT',
    'contract',
    1,
    '069',
    740,
    sub('', 'Office of the Secretary', '6901', 'DOT', 'DOT'),
    (rng, _sub, year) => same(year >= 2018 ? `6913G6${yy(year)}P8${rng.digits(5)}` : `DTRT57${yy(year)}C1${rng.digits(4)}`),
  ),
  small(
    'Department of Homeland Security',
    'DHS',
    'contract',
    1,
    '070',
    1146,
    sub('', 'Office of Procurement Operations', '7001', 'DHS', 'DHS'),
    (rng, _sub, year) => same(year >= 2018 ? `70RSAT${yy(year)}C0000${rng.digits(4)}` : `HSHQDC${yy(year)}C0${rng.digits(4)}`),
  ),
]
