import { type Section, table } from './report.js'
import type { Estimate } from './statistics.js'
import type { CostResult } from './values.js'

export function costsTable({ title, unit, lines }: CostResult): Section {
  const header = [
    'candidate',
    `${unit}, median (least to most)`,
    'x its peer [95 %]',
    `more than its peer, ${unit} [95 %]`,
    'target',
    'CPU ms',
    'CPU x its peer [95 %]',
  ]
  const rows = lines.map(({ candidate, value, cpu, against }) => [
    candidate,
    `${value.median.toFixed(1)} (${value.low.toFixed(1)} to ${value.high.toFixed(1)})`,
    against ? `${interval(against.times, 2)} of ${against.peer}` : '',
    against ? interval(against.more, 1) : '',
    against?.target ? `${against.target}: ${against.isMet ? 'met' : 'missed'}` : '',
    cpu ? cpu.median.toFixed(1) : '',
    against?.cpu ? interval(against.cpu, 2) : '',
  ])
  return { title, text: table([header, ...rows]) }
}

const interval = ({ median, low, high }: Estimate, digits: number): string =>
  `${median.toFixed(digits)} [${low.toFixed(digits)} to ${high.toFixed(digits)}]`
