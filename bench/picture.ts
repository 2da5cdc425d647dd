import type { Comparison } from './comparison.js'
import type { Report, ShapeResult } from './report.js'
import type { Estimate } from './statistics.js'

/** One rival: how many times as fast as it we are, and how fast we are to be. */
interface Bar {
  readonly peer: string
  readonly speed: Estimate
  readonly target: number | undefined
}

const WIDTH = 760
const LEFT = 220
const RIGHT = 80
const ROW = 18
const TITLE = 34
const TOP = 56
const BOTTOM = 30

/** Its own ground, light or dark as the reader's system is, so that it can be read on any page. */
const STYLE = `
  svg { color-scheme: light dark; font: 12px system-ui, sans-serif }
  .ground { fill: #ffffff } text { fill: #1f2328 } .faint { fill: #59636e }
  .title { font-weight: 600 } .number { font-variant-numeric: tabular-nums }
  .grid { stroke: #d1d9e0 } .one { stroke: #59636e } .interval { stroke: #1f2328 } .target { stroke: #bc4c00; stroke-width: 2 }
  .faster { fill: #2da44e } .slower { fill: #8c959f }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 } text { fill: #e6edf3 } .faint { fill: #9198a1 }
    .grid { stroke: #3d444d } .one { stroke: #9198a1 } .interval { stroke: #e6edf3 } .target { stroke: #f0883e }
    .faster { fill: #2ea043 } .slower { fill: #656c76 }
  }`

/**
 * Bars of how many times as fast as each rival we are, on a logarithmic scale, so that twice as fast and half as fast are
 * equally long. Only shapes that a target speaks of: the others stand in the table.
 */
export function drawPicture(report: Report): string {
  const groups = (report.shapes ?? [])
    .filter(({ lines }) => lines.some(({ against }) => against.some(({ isMet }) => isMet !== undefined)))
    .map((shape) => ({ shape, bars: barsOf(shape) }))
  const speeds = groups.flatMap(({ bars }) => bars.flatMap(({ speed, target = 1 }) => [speed.low, speed.high, target]))
  const x = scale(speeds)
  let y = TOP
  const rows: string[] = []
  for (const { shape, bars } of groups) {
    rows.push(text(16, y + 22, 'title', `${shape.title}${isLatency(shape) ? ' (median latency)' : ''}`))
    y += TITLE
    for (const bar of bars) {
      rows.push(drawBar(bar, x, y))
      y += ROW
    }
  }
  const grid = x.ticks.map(
    (tick) =>
      `<path class="${tick === 1 ? 'one' : 'grid'}" d="M${x.at(tick)} ${TOP}V${y}"/>` +
      text(x.at(tick), y + 18, 'faint', `${tick} ×`, 'middle'),
  )
  const { node, processor, cores } = report.machine
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y + BOTTOM}" viewBox="0 0 ${WIDTH} ${y + BOTTOM}" role="img">`,
    '<title>How many times as fast as others Troupe is</title>',
    `<style>${STYLE}\n</style>`,
    `<rect class="ground" width="${WIDTH}" height="${y + BOTTOM}" rx="6"/>`,
    text(16, 24, 'title', 'Troupe, times as fast as …'),
    text(
      16,
      42,
      'faint',
      `Node ${node}, ${cores} cores of ${processor}, medians of ${report.rounds} rounds; orange: the target`,
    ),
    ...grid,
    ...rows,
    '</svg>\n',
  ].join('\n')
}

function barsOf({ lines }: ShapeResult): Bar[] {
  return lines.flatMap(({ against }) => against.map((one) => ({ peer: one.peer, ...speedOf(one) })))
}

/** Of a latency the inverse: half of it is twice as fast. */
function speedOf({ rate, latency, atLeast, atMost }: Comparison): Pick<Bar, 'speed' | 'target'> {
  if (!latency) return { speed: rate, target: atLeast }
  const speed = { median: 1 / latency.median, low: 1 / latency.high, high: 1 / latency.low }
  return { speed, target: atMost === undefined ? undefined : 1 / atMost }
}

const isLatency = ({ lines }: ShapeResult): boolean =>
  lines.some(({ against }) => against.some(({ latency }) => latency !== undefined))

function drawBar({ peer, speed, target }: Bar, x: Scale, y: number): string {
  const [from, to] = [x.at(1), x.at(speed.median)].sort((a, b) => a - b) as [number, number]
  const middle = y + ROW / 2
  const number = speed.median >= 10 ? speed.median.toFixed(0) : speed.median.toPrecision(2)
  return [
    text(LEFT - 10, middle + 4, '', peer, 'end'),
    `<rect class="${speed.median >= 1 ? 'faster' : 'slower'}" x="${from}" y="${y + 3}" width="${round(to - from)}" height="${ROW - 6}"/>`,
    `<path class="interval" d="M${x.at(speed.low)} ${middle}H${x.at(speed.high)}"/>`,
    ...(target === undefined ? [] : [`<path class="target" d="M${x.at(target)} ${y + 1}V${y + ROW - 1}"/>`]),
    text(WIDTH - 16, middle + 4, 'number', `${number} ×`, 'end'),
  ].join('')
}

interface Scale {
  readonly ticks: readonly number[]
  at(value: number): number
}

/** From the whole power of ten below the least value to that above the greatest, one to ten at the least. */
function scale(values: readonly number[]): Scale {
  const least = Math.floor(Math.log10(Math.min(1, ...values)))
  const most = Math.ceil(Math.log10(Math.max(10, ...values)))
  return {
    ticks: Array.from({ length: most - least + 1 }, (_, index) => 10 ** (least + index)).map((tick) =>
      Number(tick.toPrecision(1)),
    ),
    at: (value) => round(LEFT + ((Math.log10(value) - least) / (most - least)) * (WIDTH - LEFT - RIGHT)),
  }
}

const round = (value: number): number => Math.round(value * 10) / 10

function text(x: number, y: number, kind: string, content: string, anchor = 'start'): string {
  return `<text x="${x}" y="${y}" class="${kind}" text-anchor="${anchor}">${escaped(content)}</text>`
}

const escaped = (content: string): string =>
  content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
