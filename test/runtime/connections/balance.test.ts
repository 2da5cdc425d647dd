import { resolve } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { UsageError } from '../../../src/protocol/errors.js'
import { readBalance } from '../../../src/runtime/connections/balance.js'
import { needsHead, type Plan, withoutHead } from '../../../src/runtime/connections/plan.js'
import { ipHash, leastConnections, random, roundRobin, sticky } from '../../../src/runtime/placement/policies.js'
import { thrown } from '../../support/outcome.js'

afterEach(() => vi.unstubAllEnvs())

const planOf = (balance: unknown): Plan => readBalance(balance)('80')

const HANDED: Plan = {
  accepts: 'primary',
  pick: leastConnections,
  flexible: true,
  proxyProtocol: false,
  sticky: undefined,
  isTrustedProxy: undefined,
}
const SHARED: Plan = { ...HANDED, accepts: 'workers evenly' }
const IP_HASH: Plan = { ...HANDED, pick: ipHash, flexible: false }
const STICKY: Plan = { ...HANDED, pick: sticky, flexible: false }

describe('a policy', () => {
  test.each<[unknown, Plan]>([
    [undefined, { ...SHARED, pick: roundRobin }],
    ['round-robin', { ...SHARED, pick: roundRobin }],
    ['least-connections', SHARED],
    ['random', { ...HANDED, pick: random }],
    ['ip-hash', IP_HASH],
    ['os', { ...SHARED, accepts: 'workers' }],
    [{ policy: 'round-robin' }, { ...SHARED, pick: roundRobin }],
    [
      { policy: 'round-robin', accept: undefined, proxyProtocol: undefined },
      { ...SHARED, pick: roundRobin },
    ],
    [{ policy: 'least-connections' }, SHARED],
    [{ policy: 'least-connections', proxyProtocol: false }, SHARED],
    [{ policy: 'random' }, { ...HANDED, pick: random }],
    [{ policy: 'ip-hash' }, IP_HASH],
    [{ policy: 'ip-hash', forwardedFor: undefined }, IP_HASH],
    [
      { policy: 'round-robin', accept: 'primary' },
      { ...HANDED, pick: roundRobin },
    ],
    [{ policy: 'least-connections', accept: 'primary' }, HANDED],
    [
      { policy: 'random', proxyProtocol: true },
      { ...HANDED, pick: random, proxyProtocol: true },
    ],
    [
      { policy: 'ip-hash', proxyProtocol: true },
      { ...IP_HASH, proxyProtocol: true },
    ],
    [{ cookie: 'sid' }, { ...STICKY, sticky: { by: { cookie: 'sid' }, issue: false, perRequest: false } }],
    [
      { cookie: 'sid', issue: true, perRequest: true, proxyProtocol: true },
      { ...STICKY, proxyProtocol: true, sticky: { by: { cookie: 'sid' }, issue: true, perRequest: true } },
    ],
    [{ header: 'X-User' }, { ...STICKY, sticky: { by: { header: 'x-user' }, issue: false, perRequest: false } }],
    [
      { header: 'x-user', perRequest: true },
      { ...STICKY, sticky: { by: { header: 'x-user' }, issue: false, perRequest: true } },
    ],
    [{ query: 'a b' }, { ...STICKY, sticky: { by: { query: 'a b' }, issue: false, perRequest: false } }],
    [
      { query: 'sid', proxyProtocol: true },
      { ...STICKY, proxyProtocol: true, sticky: { by: { query: 'sid' }, issue: false, perRequest: false } },
    ],
  ])('%j', (balance, plan) => {
    expect(planOf(balance)).toEqual(plan)
  })

  test.each(['round-robin', 'least-connections'])(
    'that expects a PROXY header is carried out by the primary, which reads it: %s',
    (policy) => {
      expect(planOf({ policy, proxyProtocol: true })).toMatchObject({
        accepts: 'primary',
        proxyProtocol: true,
      })
    },
  )

  test('may believe proxies', () => {
    const { isTrustedProxy, ...plan } = planOf({ policy: 'ip-hash', forwardedFor: ['10.0.0.0/8', '::1'] })
    expect({ ...plan, isTrustedProxy: undefined }).toEqual(IP_HASH)
    expect(['10.1.2.3', '::ffff:10.1.2.3', '::1', '192.0.2.1'].map((address) => isTrustedProxy?.(address))).toEqual([
      true,
      true,
      true,
      false,
    ])
  })

  test.each([
    ['as it is', (pick: unknown) => pick],
    ['with more to say', (pick: unknown) => ({ pick })],
  ])('may be a function, %s', (_, given) => {
    const pick = vi.fn(() => 2)
    const plan = planOf(given(pick))
    expect({ ...plan, pick: leastConnections }).toEqual({ ...HANDED, flexible: false })
    const client = { remoteAddress: '::1', remotePort: 1, localAddress: '::2', localPort: 2 }
    const workers = [
      { id: 10, connections: 0 },
      { id: 2, connections: 5 },
    ]
    const draw = { client: { ...client, key: 'a secret' }, last: undefined, random: 0 }
    expect(plan.pick(workers, draw)).toBe(2)
    expect(pick).toHaveBeenCalledExactlyOnceWith(client, [workers[1], workers[0]])
    expect(workers[0]?.id).toBe(10)
  })

  test('that is a function may expect a PROXY header', () => {
    expect(planOf({ pick: () => 1, proxyProtocol: true })).toMatchObject({ accepts: 'primary', proxyProtocol: true })
  })

  test("is 'os' when node's own variable says so, and the program nothing", () => {
    vi.stubEnv('NODE_CLUSTER_SCHED_POLICY', 'none')
    expect(planOf(undefined)).toEqual({ ...SHARED, accepts: 'workers' })
    expect(planOf({ ports: {} })).toEqual({ ...SHARED, accepts: 'workers' })
    expect(planOf('round-robin')).toEqual({ ...SHARED, pick: roundRobin })
    expect(planOf({ default: 'random', ports: {} })).toEqual({ ...HANDED, pick: random })
    vi.stubEnv('NODE_CLUSTER_SCHED_POLICY', 'rr')
    expect(planOf(undefined)).toEqual({ ...SHARED, pick: roundRobin })
  })
})

describe('a policy per port', () => {
  test('is found by the number or the path that the program listens on', () => {
    const plans = readBalance({
      default: 'random',
      ports: { 80: 'os', '/run/http.sock': { cookie: 'sid' }, './run/http.sock': { header: 'x-user' } },
    })
    expect(plans('80').accepts).toBe('workers')
    expect(plans('/run/http.sock').sticky?.by).toEqual({ cookie: 'sid' })
    expect(plans(resolve('run/http.sock')).sticky?.by).toEqual({ header: 'x-user' })
    for (const other of ['81', '8', 'http.sock']) expect(plans(other).pick).toBe(random)
  })

  test('leaves the other ports to the default', () => {
    expect(readBalance({ ports: { 80: 'random' } })('81')).toEqual({ ...SHARED, pick: roundRobin })
    expect(readBalance({ default: undefined, ports: { 80: 'random' } })('81').pick).toBe(roundRobin)
  })
})

describe('a head', () => {
  test('is needed by sticky policies and for X-Forwarded-For, and by no other', () => {
    const needing = [{ cookie: 'a' }, { header: 'a' }, { query: 'a' }, { policy: 'ip-hash', forwardedFor: ['::1'] }]
    expect(needing.map((policy) => needsHead(planOf(policy)))).toEqual([true, true, true, true])
    const others = ['round-robin', 'random', 'ip-hash', 'os', () => 1, { policy: 'ip-hash', proxyProtocol: true }]
    expect(others.map((policy) => needsHead(planOf(policy)))).toEqual([false, false, false, false, false, false])
  })

  test("that cannot be read makes it 'ip-hash', of whom the PROXY header says", () => {
    expect(withoutHead(planOf({ cookie: 'sid', issue: true }))).toEqual(IP_HASH)
    expect(withoutHead(planOf({ cookie: 'sid', proxyProtocol: true }))).toEqual({ ...IP_HASH, proxyProtocol: true })
  })
})

describe('what is no policy is refused, with what is wrong about it', () => {
  const POLICIES = "one of 'round-robin', 'least-connections', 'random', 'ip-hash', 'os'"
  const NAMED = "one of 'round-robin', 'least-connections', 'random', 'ip-hash'"
  const ANY =
    'one of round-robin, least-connections, random, ip-hash, os, a function, or an object that says what to be sticky by'
  const KINDS = 'one of policy, pick, cookie, header, query'
  const TOKEN = 'a name without spaces or separators'
  const NETWORK = 'an IP address or a range such as "10.0.0.0/8" or "fd00::/8"'

  const wrong = (name: string, expected: string, got: string): string =>
    `Expected \`${name}\` to be ${expected}, got ${got}`
  const unknown = (name: string, ...known: string[]): string =>
    `Unknown option \`balance.${name}\`. Known are ${known.map((one) => `\`balance.${one}\``).join(', ')}`

  test.each<[unknown, string]>([
    ['sticky', wrong('balance', POLICIES, '"sticky"')],
    ['toString', wrong('balance', POLICIES, '"toString"')],
    [3, wrong('balance', ANY, '3')],
    [null, wrong('balance', ANY, 'null')],
    [['os'], wrong('balance', ANY, 'an array')],
    [{}, `Expected \`balance\` to have ${KINDS}, got none`],
    [{ sticky: true, perRequest: true }, `Expected \`balance\` to have ${KINDS}, got sticky, perRequest`],

    [{ policy: 'os' }, wrong('balance.policy', NAMED, '"os"')],
    [{ policy: 'round-robin', accept: 'worker' }, wrong('balance.accept', "one of 'primary'", '"worker"')],
    [
      { policy: 'ip-hash', forwardedFor: [], accept: 'worker' },
      wrong('balance.accept', "one of 'primary'", '"worker"'),
    ],
    [{ policy: 'round-robin', proxyProtocol: 'v2' }, wrong('balance.proxyProtocol', 'true or false', '"v2"')],
    [
      { policy: 'round-robin', perRequest: true },
      unknown('perRequest', 'policy', 'accept', 'forwardedFor', 'proxyProtocol'),
    ],
    [{ policy: 'random', forwardedFor: [] }, '`balance.forwardedFor` belongs to the policy \'ip-hash\', got "random"'],
    [
      { policy: 'ip-hash', forwardedFor: '10.0.0.0/8' },
      wrong('balance.forwardedFor', 'a list of addresses or networks', '"10.0.0.0/8"'),
    ],
    [{ policy: 'ip-hash', forwardedFor: ['::1', 'proxy'] }, wrong('balance.forwardedFor[1]', NETWORK, '"proxy"')],
    [{ policy: 'ip-hash', forwardedFor: [10] }, wrong('balance.forwardedFor[0]', NETWORK, '10')],
    [{ policy: 'ip-hash', forwardedFor: [Symbol('a')] }, wrong('balance.forwardedFor[0]', NETWORK, 'a symbol')],

    [{ pick: 1 }, wrong('balance.pick', 'a function', '1')],
    [{ pick: () => 1, issue: true }, unknown('issue', 'pick', 'proxyProtocol')],

    [{ cookie: 'a b' }, wrong('balance.cookie', TOKEN, '"a b"')],
    [{ cookie: 'a=b' }, wrong('balance.cookie', TOKEN, '"a=b"')],
    [{ cookie: '' }, wrong('balance.cookie', TOKEN, '""')],
    [{ cookie: undefined }, wrong('balance.cookie', TOKEN, 'undefined')],
    [{ cookie: 'sid', issue: 1 }, wrong('balance.issue', 'true or false', '1')],
    [{ cookie: 'sid', perRequest: 'yes' }, wrong('balance.perRequest', 'true or false', '"yes"')],
    [{ cookie: 'sid', header: 'x-user' }, unknown('header', 'cookie', 'issue', 'perRequest', 'proxyProtocol')],
    [{ header: 'x user' }, wrong('balance.header', TOKEN, '"x user"')],
    [{ header: 'x-user', issue: true }, unknown('issue', 'header', 'perRequest', 'proxyProtocol')],
    [{ query: '' }, wrong('balance.query', 'the name of a parameter', '""')],
    [{ query: 5 }, wrong('balance.query', 'the name of a parameter', '5')],

    [{ ports: [] }, wrong('balance.ports', 'an object', 'an array')],
    [{ default: 'os' }, wrong('balance.ports', 'an object', 'undefined')],
    [{ ports: { 80: 'os' }, cookie: 'sid' }, unknown('cookie', 'default', 'ports')],
    [{ default: 'all', ports: {} }, wrong('balance.default', POLICIES, '"all"')],
    [{ ports: { http: 'os' } }, 'Expected the keys of `balance.ports` to be port numbers or paths, got "http"'],
    [{ ports: { 80: 'none' } }, wrong('balance.ports["80"]', POLICIES, '"none"')],
    [{ ports: { 80: { header: '' } } }, wrong('balance.ports["80"].header', TOKEN, '""')],
    [{ ports: { 80: { ports: {} } } }, `Expected \`balance.ports["80"]\` to have ${KINDS}, got ports`],
  ])('%j', (balance, message) => {
    expect(thrown(UsageError, () => readBalance(balance)).message).toBe(message)
  })
})
