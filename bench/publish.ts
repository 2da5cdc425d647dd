import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { drawPicture } from './picture.js'
import { compared, interval, measured, type Report, type ShapeResult, table, verdict } from './report.js'

/** Files for README to show, so that nobody copies a figure by hand. */
export function publish(
  reports: readonly Report[],
  files: { picture?: string | undefined; table?: string | undefined },
) {
  const [first] = reports
  if (files.picture && first) save(files.picture, drawPicture(first))
  if (files.table) save(files.table, asMarkdown(reports))
}

export function readReport(file: string): Report {
  return JSON.parse(readFileSync(file, 'utf8')) as Report
}

function save(file: string, content: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, content)
}

/** Every report with its targets first, then all that was measured. */
export function asMarkdown(reports: readonly Report[]): string {
  const sections = reports.map((report) =>
    [
      heading(report),
      ...(report.shapes ? [targets(report.shapes), ...report.shapes.map(section)] : []),
      ...(report.tables ?? []).map(({ title, text }) => `### ${title}\n\n${text}`),
    ].join('\n\n'),
  )
  return `# Measured\n\nWritten by \`npm run bench\`; [how it is measured](../bench/README.md).\n\n${sections.join('\n\n')}\n`
}

function heading({ suite, machine, cores, load, rounds, seconds, versions, absent, shapes }: Report): string {
  const { node, system, processor, date } = machine
  return [
    `## ${suite}, Node ${node}`,
    `${machine.cores} cores of ${processor}, ${system}, ${date.slice(0, 10)}; ${cores}; load average before ` +
      `${load.before.toFixed(2)}, after ${load.after.toFixed(2)}; ${rounds} alternating rounds of ${seconds} s` +
      `${versions?.length ? `; ${versions.join(', ')}` : ''}.${shapes ? ` ${met(shapes)}` : ''}`,
    ...(absent ?? []).map((why) => `${why}.`),
  ].join('\n\n')
}

const met = (shapes: readonly ShapeResult[]): string => {
  const judged = shapes.flatMap(({ lines }) => lines.flatMap(({ against }) => against)).filter((one) => 'isMet' in one)
  return `${judged.filter(({ isMet }) => isMet).length} of ${judged.length} targets met.`
}

function targets(shapes: readonly ShapeResult[]): string {
  const rows = shapes.flatMap(({ title, lines }) =>
    lines.flatMap(({ candidate, against }) =>
      against
        .filter(({ isMet }) => isMet !== undefined)
        .map((one) => {
          const isLatency = one.atMost !== undefined && one.latency !== undefined
          return [
            title,
            `${candidate} against ${one.peer}`,
            verdict(one),
            interval(isLatency ? one.latency : one.rate),
            interval(one.cpu),
          ]
        }),
    ),
  )
  return table([['shape', 'who', 'target', 'measured x [95 %]', 'CPU x [95 %]'], ...rows])
}

function section(shape: ShapeResult): string {
  return [`### ${shape.title}`, measured(shape), compared(shape)].filter(Boolean).join('\n\n')
}
