import { describe, expect, it } from 'vitest'
import { compare, type Sample, type Target } from '../../bench/comparison.js'
import { drawPicture } from '../../bench/picture.js'
import { asMarkdown } from '../../bench/publish.js'
import type { Report } from '../../bench/report.js'

const rated = (perSecond: number, p50?: number): Sample[] =>
  [1, 1.01, 0.99].map((factor) => ({
    perSecond: perSecond * factor,
    cpu: { primary: 1, workers: 2 },
    ...(p50 && { latency: { p50: p50 * factor, p99: p50 * 3 } }),
  }))

function reportOf(title: string, samples: Record<string, Sample[]>, targets: Target[]): Report {
  return {
    suite: 'messages',
    machine: { node: '24.1.0', v8: '13', system: 'linux', processor: 'A & B', cores: 2, date: '2026-01-02T03:04:05Z' },
    cores: 'nobody is pinned to a core',
    load: { before: 0.1, after: 1.9 },
    rounds: 3,
    seconds: 1,
    client: 'load.mjs',
    versions: ['birpc 4.2.0'],
    absent: ['redis is left out: redis-server is not installed'],
    shapes: [{ title, operation: 'call', lines: compare(new Map(Object.entries(samples)), targets) }],
  }
}

const throughput = (...more: Target[]) =>
  reportOf('256 in flight', { troupe: rated(200), raw: rated(100), birpc: rated(400) }, [
    { candidate: 'troupe', peer: 'raw', atLeast: 1.5 },
    { candidate: 'troupe', peer: 'birpc' },
    ...more,
  ])

const latency = () =>
  reportOf('one at a time', { troupe: rated(1, 20), raw: rated(1, 40) }, [
    { candidate: 'troupe', peer: 'raw', atMost: 1.25 },
  ])

const count = (text: string, part: string): number => text.split(part).length - 1

describe('the picture', () => {
  it('has a bar for each rival, which says how many times as fast we are', () => {
    const svg = drawPicture(throughput())
    expect(count(svg, 'class="faster"') + count(svg, 'class="slower"')).toBe(2)
    expect(svg).toMatch(/>raw<.*class="faster".*>2\.0 ×</)
    expect(svg).toMatch(/>birpc<.*class="slower".*>0\.50 ×</)
  })

  it('makes twice as fast and half as fast equally long', () => {
    const widths = [...drawPicture(throughput()).matchAll(/class="(?:faster|slower)"[^>]*? width="([\d.]+)"/g)]
    const [faster, slower] = widths.map(([, width]) => Number(width))
    expect(faster).toBeCloseTo(slower as number, 0)
  })

  it('marks a target where there is one', () => {
    expect(count(drawPicture(throughput()), 'class="target"')).toBe(1)
  })

  it('takes half the latency for twice as fast', () => {
    const svg = drawPicture(latency())
    expect(svg).toContain('one at a time (median latency)')
    expect(svg).toMatch(/>raw<.*class="faster".*>2\.0 ×</)
  })

  it('leaves out what no target speaks of', () => {
    const svg = drawPicture(
      reportOf('untold', { troupe: rated(1), raw: rated(1) }, [{ candidate: 'troupe', peer: 'raw' }]),
    )
    expect(svg).not.toContain('untold')
  })

  it('escapes what the machine calls itself', () => {
    expect(drawPicture(throughput())).toContain('A &amp; B')
  })
})

describe('the table', () => {
  it('says machine, versions, load, and who was left out', () => {
    const text = asMarkdown([throughput()])
    for (const part of [
      'Node 24.1.0',
      '2 cores of A & B',
      'birpc 4.2.0',
      'load average before 0.10',
      'redis is left out',
    ])
      expect(text).toContain(part)
  })

  it('counts the targets, and gives each with what was measured', () => {
    const text = asMarkdown([throughput({ candidate: 'troupe', peer: 'birpc', atLeast: 3 })])
    expect(text).toContain('1 of 2 targets met.')
    expect(text).toMatch(/troupe against raw\s+\| rate at least 1\.5: met/)
    expect(text).toMatch(/troupe against birpc\s+\| rate at least 3: missed/)
  })

  it('gives the latency for a target on latency', () => {
    expect(asMarkdown([latency()])).toMatch(/p50 at most 1\.25: met +\| 0\.50 \[/)
  })

  it('has every report', () => {
    expect(count(asMarkdown([throughput(), latency()]), '## messages')).toBe(2)
  })
})
