import { resolve } from 'node:path'
import { UsageError } from '../../protocol/errors.js'
import type { StickyBy } from '../../protocol/frames.js'
import { expectBoolean, expectFunction, expectKnown, expectObject, expectOneOf, unexpected } from '../expect.js'
import { ipHash, random, roundRobin, sticky } from '../placement/policies.js'
import { trustList } from './client-address.js'
import { HANDED_OVER, type Plan } from './plan.js'

/** Who a connection comes from, as a policy function sees it. */
export interface ConnectionInfo {
  /** Undefined for a unix socket. */
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
}

/** A worker that could have the connection. */
export interface WorkerLoad {
  readonly id: number
  /** Open connections on this port. */
  readonly connections: number
}

/** Gives the id of one of `workers`: ready ones that listen on the port, by ascending id. */
export type PickWorker = (connection: ConnectionInfo, workers: readonly WorkerLoad[]) => number

interface ProxyOption {
  /** Connections begin with a PROXY header (version 1 or 2), which is taken off and becomes `remoteAddress`. Default false. */
  readonly proxyProtocol?: boolean | undefined
}

interface StickyOptions extends ProxyOption {
  /** Close after every response: for a proxy that sends several clients' requests over one connection. Default false. */
  readonly perRequest?: boolean | undefined
}

/** How the connections of a port come to workers. */
export type BalancePolicy =
  | 'round-robin'
  | 'least-connections'
  | 'random'
  | 'ip-hash'
  | 'os'
  /** `accept: 'primary'`: the primary accepts and hands over, where else the workers accept for themselves. */
  | ({
      readonly policy: 'round-robin' | 'least-connections' | 'random'
      readonly accept?: 'primary' | undefined
    } & ProxyOption)
  /** `forwardedFor`: addresses or networks of the proxies whose `X-Forwarded-For` is believed. */
  | ({
      readonly policy: 'ip-hash'
      readonly accept?: 'primary' | undefined
      readonly forwardedFor?: readonly string[] | undefined
    } & ProxyOption)
  /** By the app's own cookie; with `issue` the runtime gives one to a client that has none. */
  | ({ readonly cookie: string; readonly issue?: boolean | undefined } & StickyOptions)
  | ({ readonly header: string } & StickyOptions)
  /** By a parameter of the URL. */
  | ({ readonly query: string } & StickyOptions)
  | PickWorker
  | ({ readonly pick: PickWorker } & ProxyOption)

/** One policy for all, or a policy per port: by the number or unix path that the program listens on. */
export type Balance =
  | BalancePolicy
  | {
      readonly default?: BalancePolicy | undefined
      readonly ports: Readonly<Record<string | number, BalancePolicy>>
    }

/** Which plan a port has, by what the program asked to listen on. */
export type Plans = (address: string) => Plan

/** Checks the option and compiles it. */
export function readBalance(balance: unknown): Plans {
  if (isObject(balance) && ('ports' in balance || 'default' in balance)) {
    expectKnown(balance, ['default', 'ports'], 'balance.')
    const fallback = readPolicy(balance.default ?? fallbackPolicy(), 'balance.default')
    const ports = new Map(
      Object.entries(expectObject(balance.ports, 'balance.ports')).map(([port, policy]) => {
        const name = `balance.ports[${JSON.stringify(port)}]`
        if (!isPort(port) && !port.includes('/'))
          throw new UsageError(`Expected the keys of \`balance.ports\` to be port numbers or paths, got "${port}"`)
        return [port.includes('/') ? resolve(port) : port, readPolicy(policy, name)]
      }),
    )
    return (address) => ports.get(address) ?? fallback
  }
  const plan = readPolicy(balance === undefined ? fallbackPolicy() : balance, 'balance')
  return () => plan
}

function isPort(text: string): boolean {
  return String(Number(text)) === text && Number(text) > 0 && Number(text) <= 65_535
}

function fallbackPolicy(): BalancePolicy {
  return process.env.NODE_CLUSTER_SCHED_POLICY === 'none' ? 'os' : 'round-robin'
}

const NAMED = {
  'round-robin': { ...HANDED_OVER, accepts: 'workers evenly', pick: roundRobin },
  'least-connections': { ...HANDED_OVER, accepts: 'workers evenly' },
  random: { ...HANDED_OVER, pick: random },
  'ip-hash': { ...HANDED_OVER, pick: ipHash, flexible: false },
  os: { ...HANDED_OVER, accepts: 'workers' },
} as const satisfies Record<string, Plan>

const NAMES = Object.keys(NAMED) as (keyof typeof NAMED)[]

function readPolicy(policy: unknown, name: string): Plan {
  if (typeof policy === 'string') return NAMED[expectOneOf(policy, name, NAMES)]
  if (typeof policy === 'function') return custom(policy as PickWorker)
  if (!isObject(policy))
    throw unexpected(
      name,
      `one of ${NAMES.join(', ')}, a function, or an object that says what to be sticky by`,
      policy,
    )
  const kind = KINDS.find(({ key }) => key in policy)
  if (!kind)
    throw new UsageError(
      `Expected \`${name}\` to have one of ${KINDS.map(({ key }) => key).join(', ')}, got ${Object.keys(policy).join(', ') || 'none'}`,
    )
  const { key, options, read } = kind
  expectKnown(policy, [key, ...options, 'proxyProtocol'], `${name}.`)
  const plan = read(policy, name)
  const proxyProtocol = expectBoolean(policy.proxyProtocol ?? false, `${name}.proxyProtocol`)
  return proxyProtocol ? { ...plan, accepts: 'primary', proxyProtocol } : plan
}

interface Kind {
  readonly key: string
  readonly options: readonly string[]
  readonly read: (policy: Record<string, unknown>, name: string) => Plan
}

const KINDS: readonly Kind[] = [
  { key: 'policy', options: ['accept', 'forwardedFor'], read: readNamed },
  { key: 'pick', options: [], read: readPick },
  { key: 'cookie', options: ['issue', 'perRequest'], read: readCookie },
  {
    key: 'header',
    options: ['perRequest'],
    read: (policy, name) =>
      stickyPlan({ header: expectToken(policy.header, `${name}.header`).toLowerCase() }, policy, name),
  },
  {
    key: 'query',
    options: ['perRequest'],
    read: (policy, name) => stickyPlan({ query: expectParameter(policy.query, `${name}.query`) }, policy, name),
  },
]

function readNamed(policy: Record<string, unknown>, name: string): Plan {
  const { policy: named, accept, forwardedFor } = policy
  const which = expectOneOf(named, `${name}.policy`, ['round-robin', 'least-connections', 'random', 'ip-hash'])
  if (accept !== undefined) expectOneOf(accept, `${name}.accept`, ['primary'])
  const plan: Plan = accept === undefined ? NAMED[which] : { ...NAMED[which], accepts: 'primary' }
  if (forwardedFor === undefined) return plan
  if (which !== 'ip-hash')
    throw new UsageError(`\`${name}.forwardedFor\` belongs to the policy 'ip-hash', got ${JSON.stringify(which)}`)
  if (!Array.isArray(forwardedFor))
    throw unexpected(`${name}.forwardedFor`, 'a list of addresses or networks', forwardedFor)
  return { ...plan, isTrustedProxy: trustList(forwardedFor, `${name}.forwardedFor`) }
}

function readPick({ pick }: Record<string, unknown>, name: string): Plan {
  expectFunction(pick, `${name}.pick`)
  return custom(pick as PickWorker)
}

function readCookie(policy: Record<string, unknown>, name: string): Plan {
  const issue = expectBoolean(policy.issue ?? false, `${name}.issue`)
  return stickyPlan({ cookie: expectToken(policy.cookie, `${name}.cookie`) }, policy, name, issue)
}

function stickyPlan(by: StickyBy, policy: Record<string, unknown>, name: string, issue = false): Plan {
  const perRequest = expectBoolean(policy.perRequest ?? false, `${name}.perRequest`)
  return { ...HANDED_OVER, pick: sticky, flexible: false, sticky: { by, issue, perRequest } }
}

function custom(pick: PickWorker): Plan {
  return {
    ...HANDED_OVER,
    flexible: false,
    pick(candidates, { client: { remoteAddress, remotePort, localAddress, localPort } }) {
      const workers = [...candidates].sort((a, b) => a.id - b.id).map((worker) => Object.freeze({ ...worker }))
      const id: unknown = pick({ remoteAddress, remotePort, localAddress, localPort }, workers)
      if (id instanceof Promise) {
        // Its failure is not another's to handle.
        id.catch(() => {})
        throw new TypeError('it returned a promise, and has to be synchronous')
      }
      return id as number
    },
  }
}

/** RFC 9110 5.6.2: what the name of a header, and of a cookie, may be made of. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

function expectToken(value: unknown, name: string): string {
  if (typeof value !== 'string' || !TOKEN.test(value))
    throw unexpected(name, 'a name without spaces or separators', value)
  return value
}

function expectParameter(value: unknown, name: string): string {
  if (typeof value !== 'string' || value === '') throw unexpected(name, 'the name of a parameter', value)
  return value
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
