import { existsSync } from 'node:fs'
import { compare, type Sample, type Target } from '../comparison.js'
import { printShape, type ShapeResult } from '../report.js'
import { alternate } from '../rounds.js'
import type { SuiteOptions } from '../suite-options.js'
import { measure, type Setup, WARM_UP } from './candidate.js'
import { hasWrk } from './load.js'

/** Whoever is compared is measured right after, or before, its peer. */
const SETUPS: readonly (readonly [name: string, setup: Setup])[] = [
  ['troupe os', { troupe: { balance: 'os' } }],
  ['node shared handle', { cluster: 'none' }],
  ['troupe default', { troupe: {} }],
  ['node round robin', { cluster: 'rr' }],
  ['troupe hand-off', { troupe: { balance: { policy: 'round-robin', accept: 'primary' } } }],
  ['troupe random', { troupe: { balance: 'random' } }],
  ['troupe cookie', { troupe: { balance: { cookie: 'sid' } } }],
  ['@socket.io/sticky', { peer: 'sticky' }],
  ['pm2', { peer: 'pm2' }],
  ['node reusePort', { peer: 'reusePort' }],
]

/** What this machine, or this version of node, does not have is left out. `npm install` in `bench/` brings the packages. */
function isHere(name: string): boolean {
  if (name === 'node reusePort') return Number.parseInt(process.versions.node, 10) >= 24
  const needsPackage = name === 'pm2' || name.startsWith('@')
  return !needsPackage || existsSync(new URL(`../node_modules/${name}/package.json`, import.meta.url))
}

interface ConnectionShape {
  readonly title: string
  readonly operation: string
  readonly keepAlive: boolean
  readonly targets: readonly Target[]
}

/** Of wrk, or of the client in its place: enough to keep both workers busy. */
const CLIENTS = 64

const SHAPES: readonly ConnectionShape[] = [
  {
    title: `A new connection for each request, ${CLIENTS} clients`,
    operation: 'connection',
    keepAlive: false,
    targets: [
      { candidate: 'troupe os', peer: 'node shared handle', atLeast: 0.95 },
      { candidate: 'troupe default', peer: 'node round robin', atLeast: 2 },
      { candidate: 'troupe default', peer: 'node shared handle', atLeast: 0.8 },
      { candidate: 'troupe hand-off', peer: 'node round robin', atLeast: 1 },
      { candidate: 'troupe random', peer: 'node round robin', atLeast: 1 },
      { candidate: 'troupe cookie', peer: 'node round robin' },
      { candidate: '@socket.io/sticky', peer: 'node round robin' },
      { candidate: 'pm2', peer: 'node round robin' },
      { candidate: 'node reusePort', peer: 'node shared handle' },
    ],
  },
  {
    title: `Keep-alive, ${CLIENTS} connections`,
    operation: 'request',
    keepAlive: true,
    targets: [
      { candidate: 'troupe os', peer: 'node shared handle' },
      { candidate: 'troupe default', peer: 'node round robin', atLeast: 0.98 },
      { candidate: 'troupe hand-off', peer: 'node round robin' },
      { candidate: 'troupe cookie', peer: 'node round robin' },
      // `@socket.io/sticky` keeps no connection alive.
      { candidate: 'pm2', peer: 'node round robin' },
    ],
  },
]

/** What it costs that a connection, or a request on one, reaches a worker. */
export async function connections(options: SuiteOptions): Promise<{ client: string; shapes: ShapeResult[] }> {
  const shapes: ShapeResult[] = []
  for (const shape of SHAPES) {
    const samples = await measureAll(shape, options)
    const result = { ...shape, lines: compare(samples, shape.targets) }
    printShape(result)
    shapes.push(result)
    // A line has one peer: who is held against two of them has a table for each.
    const second = shape.targets.filter((target) => shape.targets.find(sameAs(target)) !== target)
    const held = new Map(
      [...samples].filter(([name]) => second.some(({ candidate, peer }) => [candidate, peer].includes(name))),
    )
    if (held.size === 0) continue
    const other = { ...shape, title: `${shape.title}, held against another`, lines: compare(held, second) }
    printShape(other)
    shapes.push(other)
  }
  return { client: hasWrk ? 'wrk' : 'bench/connections/client.mjs', shapes }
}

const sameAs =
  ({ candidate }: Target) =>
  (other: Target): boolean =>
    other.candidate === candidate

async function measureAll(shape: ConnectionShape, options: SuiteOptions): Promise<Map<string, Sample[]>> {
  const { rounds, seconds, profiles, isGlance } = options
  const load = { clients: CLIENTS, keepAlive: shape.keepAlive }
  const warmUp = isGlance ? WARM_UP / 5 : WARM_UP
  const contenders = contendersOf(shape, options).map(([name, setup]) => {
    const folder = profiles && `${profiles}/${name} ${shape.operation}s`.replaceAll(' ', '-')
    return { name, measure: () => measure(name, setup, { shape: load, seconds, warmUp, profiles: folder }) }
  })
  return await alternate(contenders, rounds, (round, name, { perSecond }) =>
    console.error(`round ${round + 1}/${rounds}  ${name}: ${perSecond.toFixed(0)} ${shape.operation}s/s`),
  )
}

function contendersOf({ targets }: ConnectionShape, { quick, only }: SuiteOptions): typeof SETUPS {
  const wanted = targets.filter(({ atLeast }) => !quick || atLeast !== undefined)
  const named = new Set(wanted.flatMap(({ candidate, peer }) => [candidate, peer]))
  return SETUPS.filter(([name]) => isHere(name) && (only.length > 0 ? only.includes(name) : named.has(name)))
}
