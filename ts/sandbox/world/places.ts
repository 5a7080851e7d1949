/** Where generated companies are: real cities, invented streets. */
export type Place = {
  readonly city: string
  readonly state: string
  readonly stateName: string
  readonly zip3: string
  readonly countyCode: string
  readonly county: string
  readonly district: string
}

const ROWS = `
Boston|MA|Massachusetts|021|025|SUFFOLK|08
Cambridge|MA|Massachusetts|021|017|MIDDLESEX|05
Woburn|MA|Massachusetts|018|017|MIDDLESEX|05
Andover|MA|Massachusetts|018|009|ESSEX|06
San Diego|CA|California|921|073|SAN DIEGO|52
Torrance|CA|California|905|037|LOS ANGELES|36
Sunnyvale|CA|California|940|085|SANTA CLARA|17
Goleta|CA|California|931|083|SANTA BARBARA|24
Berkeley|CA|California|947|001|ALAMEDA|12
Huntsville|AL|Alabama|358|089|MADISON|05
Boulder|CO|Colorado|803|013|BOULDER|02
Colorado Springs|CO|Colorado|809|041|EL PASO|05
Arlington|VA|Virginia|222|013|ARLINGTON|08
Reston|VA|Virginia|201|059|FAIRFAX|11
Charlottesville|VA|Virginia|229|540|CHARLOTTESVILLE CITY|05
Rockville|MD|Maryland|208|031|MONTGOMERY|08
Columbia|MD|Maryland|210|027|HOWARD|03
Austin|TX|Texas|787|453|TRAVIS|37
College Station|TX|Texas|778|041|BRAZOS|10
Houston|TX|Texas|770|201|HARRIS|07
Dayton|OH|Ohio|454|113|MONTGOMERY|10
Columbus|OH|Ohio|432|049|FRANKLIN|03
Ann Arbor|MI|Michigan|481|161|WASHTENAW|06
Troy|MI|Michigan|480|125|OAKLAND|11
Albuquerque|NM|New Mexico|871|001|BERNALILLO|01
Tucson|AZ|Arizona|857|019|PIMA|07
Tempe|AZ|Arizona|852|013|MARICOPA|04
Durham|NC|North Carolina|277|063|DURHAM|04
Raleigh|NC|North Carolina|276|183|WAKE|02
Orlando|FL|Florida|328|095|ORANGE|10
Gainesville|FL|Florida|326|001|ALACHUA|03
Princeton|NJ|New Jersey|085|021|MERCER|12
Ithaca|NY|New York|148|109|TOMPKINS|19
Brooklyn|NY|New York|112|047|KINGS|07
State College|PA|Pennsylvania|168|027|CENTRE|15
Pittsburgh|PA|Pennsylvania|152|003|ALLEGHENY|12
Philadelphia|PA|Pennsylvania|191|101|PHILADELPHIA|03
Seattle|WA|Washington|981|033|KING|07
Corvallis|OR|Oregon|973|003|BENTON|04
Portland|OR|Oregon|972|051|MULTNOMAH|03
Salt Lake City|UT|Utah|841|035|SALT LAKE|02
Madison|WI|Wisconsin|537|025|DANE|02
Minneapolis|MN|Minnesota|554|053|HENNEPIN|05
Atlanta|GA|Georgia|303|121|FULTON|05
Bozeman|MT|Montana|597|031|GALLATIN|01
Hanover|NH|New Hampshire|037|009|GRAFTON|02
Lawrence|KS|Kansas|660|045|DOUGLAS|01
Lexington|KY|Kentucky|405|067|FAYETTE|06
Chicago|IL|Illinois|606|031|COOK|07
Honolulu|HI|Hawaii|968|003|HONOLULU|01
`

export const PLACES: readonly Place[] = ROWS.trim()
  .split('\n')
  .map((row) => {
    const [city, state, stateName, zip3, countyCode, county, district] = row.split('|') as [
      string,
      string,
      string,
      string,
      string,
      string,
      string,
    ]
    return { city, state, stateName, zip3, countyCode, county, district }
  })

export const STREETS = [
  'Innovation Way',
  'Technology Dr',
  'Research Park Blvd',
  'Commerce Ct',
  'Main St',
  'Industrial Pkwy',
  'Science Center Dr',
  'Airport Rd',
  'Wind River Ln',
  'Discovery Dr',
  'Old Mill Rd',
  'N 1st St',
  'W Broadway',
  'Enterprise Pl',
  'Sorrento Valley Rd',
  'Cummings Park',
  'Bridge St',
  'Lakeview Ave',
  'University Ave',
  'Kingsbury Rd',
  'SE Harvest Blvd',
  'Perimeter Rd',
  'Gateway Center',
  'Elm St',
] as const
