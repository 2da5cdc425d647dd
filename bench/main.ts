/**
 * Measures Troupe beside what it replaces, in one run: `npm run bench`, `-- messages`, `-- connections quick`.
 * README.md in this folder says what comes out and how to read it.
 */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { spread } from './connections/spread/suite.js'
import { connections } from './connections/suite.js'
import { describeCores, shareCores } from './cores.js'
import { growth } from './growth/suite.js'
import { lifecycle } from './lifecycle/suite.js'
import { loadAverage, thisMachine } from './machine.js'
import { messages } from './messages/suite.js'
import { publish, readReport } from './publish.js'
import { type Report, write } from './report.js'

const unpinned = (): string => 'nobody is pinned to a core'

/** How long a suite takes when it is asked for by name, or for a first look, or is one of those that fit into a minute together. */
const SUITES = new Map([
  [
    'messages',
    {
      run: messages,
      cores: unpinned,
      full: { rounds: 5, seconds: 1 },
      quick: { rounds: 3, seconds: 0.5 },
      glance: { rounds: 1, seconds: 0.3 },
    },
  ],
  [
    'connections',
    {
      run: connections,
      cores: describeCores,
      full: { rounds: 7, seconds: 3 },
      quick: { rounds: 3, seconds: 2 },
      glance: { rounds: 1, seconds: 1 },
    },
  ],
  [
    'lifecycle',
    {
      run: lifecycle,
      cores: unpinned,
      full: { rounds: 7, seconds: 1 },
      quick: { rounds: 3, seconds: 1 },
      glance: { rounds: 1, seconds: 1 },
    },
  ],
  [
    'growth',
    {
      run: growth,
      cores: unpinned,
      full: { rounds: 5, seconds: 2 },
      quick: { rounds: 1, seconds: 1 },
      glance: undefined,
    },
  ],
  [
    'spread',
    {
      run: spread,
      cores: describeCores,
      full: { rounds: 5, seconds: 6 },
      quick: { rounds: 1, seconds: 4 },
      glance: undefined,
    },
  ],
])

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    only: { type: 'string', multiple: true, default: [] },
    profile: { type: 'string' },
    out: { type: 'string' },
    picture: { type: 'string' },
    table: { type: 'string' },
    from: { type: 'string', multiple: true, default: [] },
    'share-cores': { type: 'boolean', default: false },
  },
})
// Nothing is measured then: the files are drawn from what was.
const reports: Report[] = values.from.map(readReport)
const quick = positionals.includes('quick')
const named = positionals.filter((word) => word !== 'quick')
for (const name of named)
  if (!SUITES.has(name))
    throw new TypeError(`Expected one of ${[...SUITES.keys()].join(', ')} (and \`quick\`), got ${name}`)
if (values.out && named.length !== 1) throw new TypeError('Expected one suite beside `--out`, got several')
if (values['share-cores']) shareCores()
const machine = thisMachine()
const profiles = values.profile && resolve(values.profile)

for (const [name, suite] of SUITES) {
  if (values.from.length > 0 || (named.length > 0 && !named.includes(name))) continue
  const isGlance = quick && named.length === 0
  const length = suite[isGlance ? 'glance' : quick ? 'quick' : 'full']
  if (!length) continue
  const rounds = Number(values.rounds ?? length.rounds)
  const seconds = Number(values.seconds ?? length.seconds)
  const before = loadAverage()
  console.log(
    `${name}: Node ${machine.node} on ${machine.cores} cores of ${machine.processor} (${machine.system}); ` +
      `${suite.cores()}; load average before: ${before.toFixed(2)}; ${rounds} rounds of ${seconds} s each`,
  )
  const result = await suite.run({ rounds, seconds, quick, isGlance, only: values.only, profiles })
  const load = { before, after: loadAverage() }
  const line = machine.node.split('.')[0]
  // A glance, or a look at a part, does not take the place of what was measured at length.
  const part = values.only.length > 0 ? '-part' : isGlance ? '-glance' : quick ? '-quick' : ''
  const standard = new URL(`../build/bench/${name}${part}-node-${line}.json`, import.meta.url)
  const file = resolve(values.out ?? fileURLToPath(standard))
  const report = { suite: name, machine, cores: suite.cores(), load, rounds, seconds, ...result }
  reports.push(report)
  write(file, report)
  console.log(`\nLoad average after: ${load.after.toFixed(2)}. All samples: ${file}\n`)
}

publish(reports, values)
