import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Line } from './comparison.js'
import type { Machine } from './machine.js'
import type { Estimate } from './statistics.js'

/** One kind of work, done by every candidate. */
export interface ShapeResult {
  readonly title: string
  /** What is counted: `connection`, `request`. */
  readonly operation: string
  readonly lines: readonly Line[]
}

interface Report {
  readonly suite: string
  readonly machine: Machine
  /** Which of them the load had, and which the servers. */
  readonly cores: string
  /** Load averages before and after: what else ran on the machine, and what this run made of it. */
  readonly load: { readonly before: number; readonly after: number }
  readonly rounds: number
  readonly seconds: number
  /** What the suite has found, by its own names: `shapes`, `costs`, `curves`, … */
  readonly [found: string]: unknown
}

export function printShape({ title, operation, lines }: ShapeResult): void {
  const header = [
    'candidate',
    `${operation}s/s, median (least to most)`,
    'x its peer [95 %]',
    'target',
    `CPU µs/${operation} = primary + workers`,
    'CPU x its peer [95 %]',
  ]
  const rows = lines.map(({ candidate, perSecond, cpu, against }) => [
    candidate,
    `${whole(perSecond.median)} (${whole(perSecond.low)} to ${whole(perSecond.high)})`,
    against ? interval(against.rate) : '',
    against?.atLeast === undefined ? '' : `${against.atLeast} ${against.isMet ? 'met' : 'missed'}`,
    `${whole(cpu.both.median)} = ${whole(cpu.primary)} + ${whole(cpu.workers)}`,
    against ? `${interval(against.cpu)} of ${against.peer}` : '',
  ])
  console.log(`\n${title}\n\n${table([header, ...rows])}`)
}

export function write(file: string, report: Report): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`)
}

const whole = (value: number): string => value.toFixed(0)
const interval = ({ median, low, high }: Estimate): string =>
  `${median.toFixed(2)} [${low.toFixed(2)} to ${high.toFixed(2)}]`

/** As Markdown, and readable as it is. */
export function table([header = [], ...rows]: readonly (readonly string[])[]): string {
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  return [line(header), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}
