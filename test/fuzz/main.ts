// Throws whatever could arrive at the guards, and prints what was promised beside what it came to: one line per figure.
//
//   npm run fuzz                              5 million executions in this process, then 10 000 lines from a real worker
//   npm run fuzz -- --executions 100000       fewer
//   npm run fuzz -- --seed 7                  the same inputs as another run; the seed is printed
//   npm run fuzz -- --seed 7 --only 1234      one input of that run alone, printed
//   npm run fuzz -- --in-process | --worker   one of the two
//
// It ends with 1 when a figure is missed.

import { parseArgs } from 'node:util'
import { Report } from '../chaos/report.js'
import { polluted } from './oracle.js'
import { fuzz } from './run.js'
import { targets } from './targets.js'
import { fuzzFromWorker } from './worker.js'

const { values } = parseArgs({
  options: {
    executions: { type: 'string', default: '5000000' },
    lines: { type: 'string', default: '10000' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    only: { type: 'string' },
    'in-process': { type: 'boolean', default: false },
    worker: { type: 'boolean', default: false },
  },
})
const seed = Number(values.seed)
const report = new Report((line) => console.log(line))
console.log(`seed ${seed}`)

if (!values.worker) {
  const executions = Number(values.executions)
  const only = values.only === undefined ? undefined : Number(values.only)
  const begun = performance.now()
  const found = await fuzz({
    targets: targets(),
    seed,
    executions,
    only,
    progress: (done) => process.stderr.write(`\r${done}`),
  })
  process.stderr.write('\r')
  const seconds = (performance.now() - begun) / 1_000
  console.log(`in process: ${found.executions} executions, ${(found.executions / seconds).toFixed(0)}/s`)
  for (const { run, target, wrong, input } of found.failures)
    console.log(`  --seed ${seed} --only ${run} (${target}): ${wrong}\n    ${input}`)
  const { slowest, before, after } = found
  report.figure('executions', String(found.executions), 'all', only !== undefined || found.executions === executions)
  report.figure(
    'inputs that were neither refused by a typed error nor harmless',
    String(found.failures.length),
    '0',
    found.failures.length === 0,
  )
  report.figure(
    '({}).polluted',
    String(({} as Record<string, unknown>).polluted),
    'undefined',
    polluted() === undefined,
  )
  report.figure(
    'slowest input of up to 100 kB, worst of three more runs',
    `${slowest.ms.toFixed(1)} ms (${slowest.target}, ${slowest.bytes} bytes, run ${slowest.run})`,
    'at most 10 ms',
    slowest.ms <= 10,
  )
  const grown = (after - before) / 1_024
  // 32 MB of what has been freed the process keeps, once large values have arrived (`arrival-memory.ts`).
  report.figure('resident memory, before and after', `${before} kB, ${after} kB`, 'within 50 + 32 MB', grown < 82)
}
if (!values['in-process'] && values.only === undefined) await fuzzFromWorker(seed, Number(values.lines), report)

const { figures, missed } = report
console.log(
  missed.length === 0 ? `${figures.length} figures met` : `${missed.length} of ${figures.length} figures missed`,
)
process.exitCode = missed.length === 0 ? 0 : 1
