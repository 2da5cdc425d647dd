import { readFileSync } from 'node:fs'
import { compare, type Sample } from '../comparison.js'
import { printShape, type ShapeResult } from '../report.js'
import { alternate } from '../rounds.js'
import type { SuiteOptions } from '../suite-options.js'
import { type Entry, entryOf, whyAbsent } from './candidates.js'
import { measure } from './measure.js'
import { type MessageShape, type Rival, SHAPES } from './shapes.js'

const US = 'troupe'

/** Of a sample for whoever no target speaks of, so that a run ends while one waits for it. */
const BRIEFER = 0.4

/** Samples that a warm-up may take. */
const WARM_UP = 4

/** What it costs that a message reaches another process. */
export async function messages(options: SuiteOptions) {
  const shapes: ShapeResult[] = []
  const absent = new Set<string>()
  const versions = new Map<string, string>()
  for (const shape of SHAPES.filter(({ title, rivals }) => isWanted(title, rivals, options))) {
    const contenders = contendersOf(shape, options).filter((entry) => {
      const why = whyAbsent(entry)
      if (why && !absent.has(why)) console.log(`\n${why}`)
      if (why) absent.add(why)
      else if (entry.package) versions.set(entry.package, versionOf(entry.package))
      return !why
    })
    const targets = shape.rivals.map(({ name, ...limits }) => ({ candidate: US, peer: name, ...limits }))
    const { title, operation } = shape
    const result = { title, operation, lines: compare(await measureAll(shape, contenders, options), targets) }
    printShape(result)
    shapes.push(result)
  }
  const list = [...versions].map(([name, version]) => `${name} ${version}`)
  return { client: 'bench/messages/load.mjs', versions: list, absent: [...absent], shapes }
}

async function measureAll(
  shape: MessageShape,
  contenders: readonly Entry[],
  { rounds, seconds, profiles }: SuiteOptions,
): Promise<Map<string, Sample[]>> {
  const { title, operation, each, warmUp, rivals, ...work } = shape
  const judged = new Set(rivals.filter(isJudged).map(({ name }) => name))
  const measured = contenders.map(({ name, program, setup = {}, route = work.route }) => ({
    name,
    measure: () =>
      measure(name, {
        job: { ...work, program, setup, route },
        warmUp,
        warmUpSeconds: seconds * WARM_UP,
        seconds: judged.has(name) || (name === US && judged.size > 0) ? seconds : seconds * BRIEFER,
        each,
        profiles: profiles && `${profiles}/${`${title} ${name}`.replaceAll(/\W+/g, '-')}`,
      }),
  }))
  return await alternate(measured, rounds, (round, name, { perSecond, latency }) =>
    console.error(
      `round ${round + 1}/${rounds}  ${title}  ${name}: ${perSecond.toFixed(0)} ${operation}s/s` +
        (latency ? `, p50 ${latency.p50.toFixed(1)} µs` : ''),
    ),
  )
}

const isJudged = ({ atLeast, atMost }: Rival): boolean => atLeast !== undefined || atMost !== undefined

function isWanted(title: string, rivals: readonly Rival[], { quick, only }: SuiteOptions): boolean {
  if (quick && !rivals.some(isJudged)) return false
  const shapes = only.filter((name) => SHAPES.some((shape) => shape.title === name))
  if (shapes.length > 0) return shapes.includes(title)
  return only.length === 0 || rivals.some(({ name }) => only.includes(name)) || only.includes(US)
}

function contendersOf({ rivals }: MessageShape, { quick, isGlance, only }: SuiteOptions): Entry[] {
  const wanted = rivals.filter((rival) => !quick || isJudged(rival)).slice(0, isGlance ? 1 : undefined)
  const named = [US, ...wanted.map(({ name }) => name)]
  const candidates = only.filter((name) => SHAPES.every((shape) => shape.title !== name))
  return named.filter((name) => candidates.length === 0 || candidates.includes(name)).map(entryOf)
}

function versionOf(name: string): string {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
