// Breaks clusters of real processes under load, and prints what was promised beside what it came to: one line per figure.
//
//   npm run chaos                      all runs, in full: about half an hour on two cores
//   npm run chaos -- kills even        some of them
//   npm run chaos -- --quick           smaller counts: about seven minutes
//   npm run chaos -- --brief           what CI runs (test/cluster/chaos.test.ts): about two minutes
//
// It ends with 1 when a figure is missed. Clients, the primary and each worker are processes of their own, so that a figure
// of the primary is of nothing else. A machine that is busy with other things makes it slow, and should miss nothing.

import { Report, type Size } from './report.js'
import { RUNS } from './runs/index.js'

const args = process.argv.slice(2)
const size: Size = args.includes('--brief') ? 'brief' : args.includes('--quick') ? 'quick' : 'full'
const names = args.filter((arg) => !arg.startsWith('--'))
const unknown = names.filter((name) => !RUNS.some((run) => run.name === name))
if (unknown.length > 0) {
  const known = RUNS.map(({ name, about }) => `  ${name.padEnd(14)} ${about}`).join('\n')
  console.error(`Expected names of runs, got ${unknown.join(', ')}. There are:\n${known}`)
  process.exit(2)
}

const report = new Report((line) => console.log(line))
for (const run of RUNS.filter(({ name }) => names.length === 0 || names.includes(name))) {
  const begun = performance.now()
  console.log(`${run.name}: ${run.about}`)
  try {
    await run.run(size, report)
  } catch (error) {
    report.figure(`${run.name}: runs to its end`, String(error), 'it does', false)
  }
  console.log(`        ${((performance.now() - begun) / 1_000).toFixed(0)} s\n`)
}
const { figures, missed } = report
console.log(
  missed.length === 0 ? `${figures.length} figures met` : `${missed.length} of ${figures.length} figures missed`,
)
for (const { name, value, bound } of missed) console.log(`  ${name}: ${value} (${bound})`)
process.exitCode = missed.length === 0 ? 0 : 1
