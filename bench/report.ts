import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Comparison, Line } from './comparison.js'
import type { Machine } from './machine.js'
import type { Estimate } from './statistics.js'

/** One kind of work, done by every candidate. */
export interface ShapeResult {
  readonly title: string
  /** What is counted: `connection`, `request`. */
  readonly operation: string
  readonly lines: readonly Line[]
}

export interface Report {
  readonly suite: string
  readonly machine: Machine
  /** Which of them the load had, and which the servers. */
  readonly cores: string
  /** Load averages before and after: what else ran on the machine, and what this run made of it. */
  readonly load: { readonly before: number; readonly after: number }
  readonly rounds: number
  readonly seconds: number
  readonly client?: string
  /** Of whom Troupe was compared with, as `birpc 4.2.0`. */
  readonly versions?: readonly string[]
  /** Who was left out, and why. */
  readonly absent?: readonly string[]
  readonly shapes?: readonly ShapeResult[]
  /** Of suites that find other things than rates: what they printed. */
  readonly tables?: readonly Section[]
}

/** A table with what belongs to it, as Markdown. */
export interface Section {
  readonly title: string
  readonly text: string
}

export function printSection({ title, text }: Section): void {
  console.log(`\n${title}\n\n${text}`)
}

export function printShape(shape: ShapeResult): void {
  console.log(`\n${shape.title}\n\n${measured(shape)}`)
  const ratios = compared(shape)
  if (ratios) console.log(`\n${ratios}`)
}

/** What each candidate did, as a table. */
export function measured({ operation, lines }: ShapeResult): string {
  const hasLatency = lines.some(({ latency }) => latency)
  const header = [
    'candidate',
    `${operation}s/s, median (least to most)`,
    ...(hasLatency ? ['p50 µs (least to most)', 'p99 µs'] : []),
    `CPU µs/${operation} = primary + workers`,
  ]
  const rows = lines.map(({ candidate, perSecond, latency, cpu }) => [
    candidate,
    range(perSecond),
    ...(hasLatency ? (latency ? [range(latency.p50), short(latency.p99.median)] : ['', '']) : []),
    `${short(cpu.both.median)} = ${short(cpu.primary)} + ${short(cpu.workers)}`,
  ])
  return table([header, ...rows])
}

/** Who was how many times whom, as a table; nothing when nobody is held against anybody. */
export function compared({ lines }: ShapeResult): string | undefined {
  const hasLatency = lines.some(({ against }) => against.some(({ latency }) => latency))
  const rows = lines.flatMap(({ candidate, against }) =>
    against.map((one) => [
      candidate,
      one.peer,
      interval(one.rate),
      ...(hasLatency ? [one.latency ? interval(one.latency) : ''] : []),
      interval(one.cpu),
      verdict(one),
    ]),
  )
  if (rows.length === 0) return undefined
  const header = ['of', 'against', 'rate x [95 %]', ...(hasLatency ? ['p50 x [95 %]'] : []), 'CPU x [95 %]', 'target']
  return table([header, ...rows])
}

export function verdict({ atLeast, atMost, isMet }: Comparison): string {
  if (isMet === undefined) return ''
  const target = [
    ...(atLeast === undefined ? [] : [`rate at least ${atLeast}`]),
    ...(atMost === undefined ? [] : [`p50 at most ${atMost}`]),
  ]
  return `${target.join(', ')}: ${isMet ? 'met' : 'missed'}`
}

export function write(file: string, report: Report): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`)
}

/** Three digits that say something. */
const short = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3))
const range = ({ median, low, high }: Estimate): string => `${short(median)} (${short(low)} to ${short(high)})`
export const interval = ({ median, low, high }: Estimate): string =>
  `${median.toFixed(2)} [${low.toFixed(2)} to ${high.toFixed(2)}]`

/** As Markdown, and readable as it is. */
export function table([header = [], ...rows]: readonly (readonly string[])[]): string {
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  return [line(header), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}
