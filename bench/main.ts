/**
 * Measures Troupe beside what it replaces, in one run: `npm run bench -- connections`, or `-- connections quick`.
 * README.md in this folder says what comes out and how to read it.
 */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { spread } from './connections/spread/suite.js'
import { connections, type SuiteOptions } from './connections/suite.js'
import { describeCores, shareCores } from './cores.js'
import { growth } from './growth/suite.js'
import { lifecycle } from './lifecycle/suite.js'
import { loadAverage, thisMachine } from './machine.js'
import { write } from './report.js'

const SUITES = new Map<string, (options: SuiteOptions) => Promise<object>>([
  ['connections', connections],
  ['spread', spread],
  ['lifecycle', lifecycle],
  ['growth', growth],
])

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    only: { type: 'string', multiple: true, default: [] },
    profile: { type: 'string' },
    out: { type: 'string' },
    'share-cores': { type: 'boolean', default: false },
  },
})
const quick = positionals.includes('quick')
const [name = 'connections'] = positionals.filter((word) => word !== 'quick')
const suite = SUITES.get(name)
if (!suite) throw new TypeError(`Expected one of ${[...SUITES.keys()].join(', ')} (and \`quick\`), got ${name}`)

const rounds = Number(values.rounds ?? (quick ? 3 : 7))
const seconds = Number(values.seconds ?? (quick ? 2 : 3))
if (values['share-cores']) shareCores()
const machine = thisMachine()
const before = loadAverage()
console.log(
  `Node ${machine.node} on ${machine.cores} cores of ${machine.processor} (${machine.system}); ` +
    `${describeCores()}; load average before: ${before.toFixed(2)}; ${rounds} rounds of ${seconds} s each`,
)
const profiles = values.profile && resolve(values.profile)
const result = await suite({ rounds, seconds, quick, only: values.only, profiles })
const load = { before, after: loadAverage() }
const line = machine.node.split('.')[0]
const file = resolve(values.out ?? fileURLToPath(new URL(`../build/bench/${name}-node-${line}.json`, import.meta.url)))
write(file, { suite: name, machine, cores: describeCores(), load, rounds, seconds, ...result })
console.log(`\nLoad average after: ${load.after.toFixed(2)}. All samples: ${file}`)
