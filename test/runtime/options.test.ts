import { availableParallelism } from 'node:os'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { UsageError } from '../../src/protocol/errors.js'
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS } from '../../src/runtime/limits.js'
import { stderrLogger } from '../../src/runtime/logger.js'
import { type ClusterOptions, readLogger, readOptions } from '../../src/runtime/options.js'
import { DEFAULT_RESTART } from '../../src/runtime/supervision/restart-policy.js'
import { FakeLogger } from '../support/fake-logger.js'
import { thrown } from '../support/outcome.js'

const read = (options: unknown) => readOptions(options as ClusterOptions)

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

test('nothing given means the defaults', () => {
  vi.stubEnv('NODE_CLUSTER_SCHED_POLICY', undefined)
  expect(read({})).toEqual({
    processes: expect.objectContaining({ exec: process.argv[1], args: undefined, stdio: undefined }),
    workers: availableParallelism(),
    methods: new Map(),
    ready: 'auto',
    plans: expect.any(Function),
    restart: DEFAULT_RESTART,
    recycle: { jitter: 0.2 },
    timeouts: DEFAULT_TIMEOUTS,
    limits: DEFAULT_LIMITS,
    signals: false,
    directLinks: true,
    logger: stderrLogger,
  })
})

test('the defaults are those that the documents name', () => {
  expect(DEFAULT_TIMEOUTS).toEqual({
    call: 5_000,
    ack: 5_000,
    idle: 60_000,
    ready: 30_000,
    heartbeat: 2_000,
    blocked: 30_000,
    settle: 2_000,
    peek: 10_000,
    waiting: 30_000,
    handoff: 30_000,
    drain: 10_000,
    kill: 5_000,
  })
  expect(DEFAULT_LIMITS).toEqual({
    mailbox: 1_024,
    waiting: 1_024,
    payload: 4 * 1_024 * 1_024,
    stream: 64,
    streamBytes: 256 * 1_024,
    link: 16_384,
    connections: 1_024,
    handoffs: 4,
    linkBytes: 4 * 1_024 * 1_024,
    answers: 1_024,
    answerBytes: 64 * 1_024 * 1_024,
    peek: 16_384,
  })
  expect(DEFAULT_RESTART).toEqual({
    policy: 'permanent',
    max: 5,
    within: 30_000,
    backoff: { min: 100, max: 10_000, factor: 2, jitter: 0.2 },
    onLimit: 'degrade',
  })
})

test('what is given in part is completed', () => {
  const options = read({
    timeouts: { call: 1 },
    limits: { mailbox: 2 },
    restart: { max: 0, backoff: { min: 50 } },
  })
  expect(options.timeouts).toEqual({ ...DEFAULT_TIMEOUTS, call: 1 })
  expect(options.limits).toEqual({ ...DEFAULT_LIMITS, mailbox: 2 })
  expect(options.restart).toEqual({ ...DEFAULT_RESTART, max: 0, backoff: { ...DEFAULT_RESTART.backoff, min: 50 } })
})

test('undefined is as good as nothing, everywhere', () => {
  const nothing = (names: readonly string[]): object => Object.fromEntries(names.map((name) => [name, undefined]))
  const { restart, recycle, timeouts, limits } = read({
    ...nothing(['workers', 'methods', 'ready', 'balance', 'signals', 'logger', 'exec', 'args', 'env', 'stdio', 'cwd']),
    restart: { ...nothing(Object.keys(DEFAULT_RESTART)) },
    recycle: nothing(['rss', 'heap', 'age', 'requests', 'jitter']),
    timeouts: nothing(Object.keys(DEFAULT_TIMEOUTS)),
    limits: nothing(Object.keys(DEFAULT_LIMITS)),
  })
  expect({ restart, recycle, timeouts, limits }).toEqual({
    restart: DEFAULT_RESTART,
    recycle: { jitter: 0.2 },
    timeouts: DEFAULT_TIMEOUTS,
    limits: DEFAULT_LIMITS,
  })
  expect(read({ restart: { backoff: nothing(Object.keys(DEFAULT_RESTART.backoff)) } }).restart).toEqual(DEFAULT_RESTART)
})

test.each([
  [{ rss: 0 }, 'Expected `recycle.rss` to be a positive integer, got 0'],
  [{ heap: '1 GB' }, 'Expected `recycle.heap` to be a positive integer, got "1 GB"'],
  [{ age: -1 }, 'Expected `recycle.age` to be a number of milliseconds between 1 and 2147483647, got -1'],
  [{ requests: 1.5 }, 'Expected `recycle.requests` to be a positive integer, got 1.5'],
  [{ jitter: 2 }, 'Expected `recycle.jitter` to be a number between 0 and 1, got 2'],
  [{ memory: 1 }, 'Unknown option `recycle.memory`'],
])('recycle: %j is refused', (recycle, message) => {
  expect(() => read({ recycle } as object)).toThrow(message)
})

test("node's options go to node as they are", () => {
  const processes = {
    exec: '/app/worker.js',
    args: ['--port', '80'],
    execArgv: ['--enable-source-maps'],
    silent: true,
    stdio: ['inherit', 'inherit', 'pipe', 'ipc'],
    uid: 1_000,
    gid: 1_000,
    cwd: '/',
    env: { NODE_ENV: 'test' },
    inspectPort: 0,
    windowsHide: true,
  }
  expect(read(processes).processes).toEqual(processes)
})

test('exec is a path, a file: URL, or its text', () => {
  expect(read({ exec: new URL('file:///app/my%20worker.js') }).processes.exec).toBe('/app/my worker.js')
  expect(read({ exec: 'file:///app/worker.js' }).processes.exec).toBe('/app/worker.js')
  expect(read({ exec: './worker.js' }).processes.exec).toBe('./worker.js')
})

test("node's own variable chooses the shared handle, and the option chooses over it", () => {
  vi.stubEnv('NODE_CLUSTER_SCHED_POLICY', 'none')
  expect(read({}).plans('80')).toMatchObject({ accepts: 'workers' })
  expect(read({ balance: 'round-robin' }).plans('80')).toMatchObject({ accepts: 'workers evenly' })
})

describe('a wrong option is refused with what it should be and what it is', () => {
  test.each<[unknown, string]>([
    [5, 'Expected `options` to be an object, got 5'],
    [{ worker: 2 }, 'Unknown option `worker`. Known are `exec`, `args`, '],
    [{ workers: -1 }, 'Expected `workers` to be a positive integer, got -1'],
    [{ workers: 0 }, 'Expected `workers` to be a positive integer, got 0'],
    [{ workers: '4' }, 'Expected `workers` to be a positive integer, got "4"'],
    [{ methods: [] }, 'Expected `methods` to be an object of functions, got an array'],
    [{ methods: { a: 1 } }, 'Expected `methods.a` to be a function, got 1'],
    [{ ready: 'soon' }, "Expected `ready` to be one of 'auto', 'join', 'listen', 'online', 'manual', got \"soon\""],
    [
      { balance: 'fastest' },
      "Expected `balance` to be one of 'round-robin', 'least-connections', 'random', 'ip-hash', 'os', got \"fastest\"",
    ],
    [{ signals: 'yes' }, 'Expected `signals` to be true or false, got "yes"'],
    [{ logger: console.log }, 'Expected `logger` to be an object, got a function'],
    [{ logger: { warn() {} } }, 'Expected `logger.error` to be a function, got undefined'],
    [{ restart: 'never' }, 'Expected `restart` to be an object, got "never"'],
    [{ restart: { maximum: 1 } }, 'Unknown option `restart.maximum`. Known are `restart.policy`, '],
    [
      { restart: { policy: 'always' } },
      "Expected `restart.policy` to be one of 'permanent', 'transient', 'temporary', got \"always\"",
    ],
    [{ restart: { max: -1 } }, 'Expected `restart.max` to be a whole number, 0 or more, got -1'],
    [{ restart: { max: 1.5 } }, 'Expected `restart.max` to be a whole number, 0 or more, got 1.5'],
    [
      { restart: { within: 0 } },
      'Expected `restart.within` to be a number of milliseconds between 1 and 2147483647, got 0',
    ],
    [{ restart: { onLimit: 'exit' } }, "Expected `restart.onLimit` to be one of 'degrade', 'stop', got \"exit\""],
    [{ restart: { backoff: 5 } }, 'Expected `restart.backoff` to be an object, got 5'],
    [{ restart: { backoff: { first: 5 } } }, 'Unknown option `restart.backoff.first`. Known are '],
    [
      { restart: { backoff: { min: 20_000 } } },
      'Expected `restart.backoff.min` to be no more than `restart.backoff.max`, got 20000 and 10000',
    ],
    [
      { timeouts: { blocked: 1_000, heartbeat: 8_000 } },
      'Expected `timeouts.blocked` to be no less than `timeouts.heartbeat`, got 1000 and 8000',
    ],
    [
      { restart: { backoff: { factor: 0.5 } } },
      'Expected `restart.backoff.factor` to be a number between 1 and 100, got 0.5',
    ],
    [
      { restart: { backoff: { jitter: 2 } } },
      'Expected `restart.backoff.jitter` to be a number between 0 and 1, got 2',
    ],
    [{ timeouts: [] }, 'Expected `timeouts` to be an object, got an array'],
    [
      { timeouts: { call: 0 } },
      'Expected `timeouts.call` to be a number of milliseconds between 1 and 2147483647, got 0',
    ],
    [{ timeouts: { calls: 1 } }, 'Unknown option `timeouts.calls`. Known are `timeouts.call`, '],
    [{ limits: { mailbox: 0 } }, 'Expected `limits.mailbox` to be a positive integer, got 0'],
    [{ limits: { peek: 524_289 } }, 'Expected `limits.peek` to be at most 524288, got 524289: a head goes '],
    [{ limits: { queue: 1 } }, 'Unknown option `limits.queue`. Known are `limits.mailbox`, '],
    [{ exec: '' }, 'Expected `exec` to be a path or a file: URL, got ""'],
    [{ exec: 5 }, 'Expected `exec` to be a path or a file: URL, got 5'],
    [
      { exec: new URL('https://example.com/w.js') },
      'Expected `exec` to be a path or a file: URL, got https://example.com/w.js',
    ],
    [{ exec: 'file://host/w.js' }, 'Expected `exec` to be a path or a file: URL, got file://host/w.js'],
    [{ args: '--port' }, 'Expected `args` to be an array of strings, got "--port"'],
    [{ args: [80] }, 'Expected `args` to be an array of strings, got an array'],
    [{ execArgv: {} }, 'Expected `execArgv` to be an array of strings, got an object'],
    [{ silent: 1 }, 'Expected `silent` to be true or false, got 1'],
    [{ windowsHide: 1 }, 'Expected `windowsHide` to be true or false, got 1'],
    [{ uid: -1 }, 'Expected `uid` to be a number between 0 and 4294967295, got -1'],
    [{ gid: 'root' }, 'Expected `gid` to be a number between 0 and 4294967295, got "root"'],
    [{ cwd: 5 }, 'Expected `cwd` to be a path, got 5'],
    [{ cwd: '/no/such/place' }, 'Expected `cwd` to be a directory that exists, got "/no/such/place"'],
    [{ env: 'A=1' }, 'Expected `env` to be an object, got "A=1"'],
    [{ inspectPort: 70_000 }, 'Expected `inspectPort` to be a number between 0 and 65535, got 70000'],
    [{ stdio: 'inherit' }, "Expected `stdio` to be an array that contains 'ipc'"],
    [{ stdio: ['inherit', 'inherit', 'inherit'] }, "Expected `stdio` to be an array that contains 'ipc'"],
    [{ serialization: 'advanced' }, '`serialization` cannot be chosen'],
  ])('%o', (options, message) => {
    const error = thrown(UsageError, () => read(options))
    expect(error.message.slice(0, message.length)).toBe(message)
    expect(error.code).toBe('ERR_USAGE')
  })
})

describe('the logger of the program', () => {
  test('is told', () => {
    const logger = new FakeLogger()
    const guarded = readLogger(logger)
    guarded.warn('a')
    guarded.error('b', new Error('c'))
    expect(logger.lines).toEqual(['warning: a', 'error: b: c'])
  })

  test('that throws breaks nothing, and what it was told goes to stderr', () => {
    const lines: unknown[] = []
    vi.spyOn(process.stderr, 'write').mockImplementation((line) => lines.push(line) > 0)
    const failing = (): never => {
      throw new Error('disk full')
    }
    readLogger({ warn: failing, error: failing }).warn('lost')
    expect(String(lines[0])).toBe('troupe warning: lost\n')
    expect(String(lines[1])).toContain('disk full')
  })
})
