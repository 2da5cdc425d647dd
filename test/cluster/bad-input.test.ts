import nodeCluster from 'node:cluster'
import { createCluster, joinCluster, UsageError } from 'troupe'
import { afterEach, describe, expect, it } from 'vitest'
import { endAll, fixture, leftBehind, Program, startCluster } from '../support/processes.js'
import type { Contract } from './fixtures/sup-worker.js'

afterEach(endAll)

/** What any program in JavaScript may pass. */
type Anything = never

async function refusal(attempt: () => unknown): Promise<UsageError> {
  try {
    await attempt()
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError)
    expect(error).toMatchObject({ code: 'ERR_USAGE', name: 'UsageError', sent: 'no', retryable: false })
    return error as UsageError
  }
  return expect.unreachable('it was not refused')
}

describe('createCluster refuses', () => {
  const positive = 'a positive integer'
  const STDIO = "Expected `stdio` to be an array that contains 'ipc', the channel to the worker, such as ['inherit',"
  const ms = 'a number of milliseconds between 1 and 2147483647'

  it.each<[options: Record<string, unknown>, message: string]>([
    [{ workers: 0 }, `Expected \`workers\` to be ${positive}, got 0`],
    [{ workers: -1 }, `Expected \`workers\` to be ${positive}, got -1`],
    [{ workers: 1.5 }, `Expected \`workers\` to be ${positive}, got 1.5`],
    [{ workers: '2' }, `Expected \`workers\` to be ${positive}, got "2"`],
    [{ workers: Number.NaN }, `Expected \`workers\` to be ${positive}, got NaN`],
    [{ workers: Number.POSITIVE_INFINITY }, `Expected \`workers\` to be ${positive}, got Infinity`],
    [{ workers: null }, `Expected \`workers\` to be ${positive}, got null`],
    [{ exec: '' }, 'Expected `exec` to be a path or a file: URL, got ""'],
    [{ exec: 5 }, 'Expected `exec` to be a path or a file: URL, got 5'],
    [
      { exec: new URL('https://example.org/worker.js') },
      'Expected `exec` to be a path or a file: URL, got https://example.org/worker.js',
    ],
    [
      { exec: new URL('file://elsewhere/worker.js') },
      'Expected `exec` to be a path or a file: URL, got file://elsewhere/worker.js: ',
    ],
    [
      { exec: 'file://elsewhere/worker.js' },
      'Expected `exec` to be a path or a file: URL, got file://elsewhere/worker.js: ',
    ],
    [{ args: '--port 80' }, 'Expected `args` to be an array of strings, got "--port 80"'],
    [{ args: ['--port', 80] }, 'Expected `args` to be an array of strings, got an array'],
    [{ execArgv: [1] }, 'Expected `execArgv` to be an array of strings, got an array'],
    [{ silent: 'yes' }, 'Expected `silent` to be true or false, got "yes"'],
    [{ windowsHide: 1 }, 'Expected `windowsHide` to be true or false, got 1'],
    [{ stdio: 'inherit' }, STDIO],
    [{ stdio: 7 }, STDIO],
    [{ stdio: ['inherit', 'inherit', 'inherit'] }, STDIO],
    [{ uid: -1 }, 'Expected `uid` to be a number between 0 and 4294967295, got -1'],
    [{ gid: 'staff' }, 'Expected `gid` to be a number between 0 and 4294967295, got "staff"'],
    [{ cwd: 7 }, 'Expected `cwd` to be a path, got 7'],
    [{ cwd: '/no/such/folder' }, 'Expected `cwd` to be a directory that exists, got "/no/such/folder"'],
    [{ env: 'PATH=/bin' }, 'Expected `env` to be an object, got "PATH=/bin"'],
    [{ inspectPort: 70_000 }, 'Expected `inspectPort` to be a number between 0 and 65535, got 70000'],
    [
      { serialization: 'advanced' },
      "`serialization` cannot be chosen: the messages of troupe need node's JSON channel.",
    ],
    [{ ready: 'soon' }, "Expected `ready` to be one of 'auto', 'join', 'listen', 'online', 'manual', got \"soon\""],
    [
      { balance: 'least' },
      "Expected `balance` to be one of 'round-robin', 'least-connections', 'random', 'ip-hash', 'os', got \"least\"",
    ],
    [{ balance: { cookie: 'a b' } }, 'Expected `balance.cookie` to be a name without spaces or separators, got "a b"'],
    [{ signals: 'SIGINT' }, 'Expected `signals` to be true or false, got "SIGINT"'],
    [{ logger: null }, 'Expected `logger` to be an object, got null'],
    [{ logger: { warn() {} } }, 'Expected `logger.error` to be a function, got undefined'],
    [{ restart: false }, 'Expected `restart` to be an object, got false'],
    [
      { restart: { policy: 'always' } },
      "Expected `restart.policy` to be one of 'permanent', 'transient', 'temporary', got \"always\"",
    ],
    [{ restart: { max: -1 } }, 'Expected `restart.max` to be a whole number, 0 or more, got -1'],
    [{ restart: { within: 0 } }, `Expected \`restart.within\` to be ${ms}, got 0`],
    [{ restart: { onLimit: 'exit' } }, "Expected `restart.onLimit` to be one of 'degrade', 'stop', got \"exit\""],
    [{ restart: { backoff: 100 } }, 'Expected `restart.backoff` to be an object, got 100'],
    [
      { restart: { backoff: { min: 500, max: 100 } } },
      'Expected `restart.backoff.min` to be no more than `restart.backoff.max`, got 500 and 100',
    ],
    [
      { restart: { backoff: { factor: 0.5 } } },
      'Expected `restart.backoff.factor` to be a number between 1 and 100, got 0.5',
    ],
    [
      { restart: { backoff: { jitter: 2 } } },
      'Expected `restart.backoff.jitter` to be a number between 0 and 1, got 2',
    ],
    [{ timeouts: 5_000 }, 'Expected `timeouts` to be an object, got 5000'],
    [{ timeouts: { ready: 0 } }, `Expected \`timeouts.ready\` to be ${ms}, got 0`],
    [{ timeouts: { kill: 2 ** 31 } }, `Expected \`timeouts.kill\` to be ${ms}, got 2147483648`],
    [{ timeouts: { drain: '10s' } }, `Expected \`timeouts.drain\` to be ${ms}, got "10s"`],
    [{ limits: { mailbox: 0 } }, `Expected \`limits.mailbox\` to be ${positive}, got 0`],
    [{ methods: [() => 1] }, 'Expected `methods` to be an object of functions, got an array'],
    [{ wrokers: 2 }, 'Unknown option `wrokers`. Known are `exec`, `args`,'],
    [{ restart: { retries: 5 } }, 'Unknown option `restart.retries`. Known are `restart.policy`, `restart.max`,'],
    [{ restart: { backoff: { base: 5 } } }, 'Unknown option `restart.backoff.base`. Known are `restart.backoff.min`,'],
    [{ timeouts: { boot: 5 } }, 'Unknown option `timeouts.boot`. Known are `timeouts.call`,'],
    [{ limits: { queue: 5 } }, 'Unknown option `limits.queue`. Known are `limits.mailbox`,'],
  ])('the option %j', async (options, message) => {
    const error = await refusal(() => startCluster({ exec: fixture('sup-worker'), ...options } as Anything))
    expect(error.message.slice(0, message.length)).toBe(message)
    expect(Object.keys(nodeCluster.workers ?? {})).toEqual([])
  })

  it.each([null, 'worker.js', [], 4])('%j as its options', async (options) => {
    expect((await refusal(() => createCluster(options as Anything))).message).toMatch(
      /^Expected `options` to be an object, got /,
    )
  })

  it('nothing that is undefined, which means the default', async () => {
    const cluster = await startCluster({
      exec: fixture('sup-worker'),
      workers: 1,
      ready: undefined,
      balance: undefined,
      restart: undefined,
      timeouts: { ready: undefined },
      limits: undefined,
      signals: undefined,
      logger: undefined,
      uid: undefined,
      cwd: undefined,
      env: undefined,
      silent: undefined,
    })
    expect(cluster.workers.get(1)?.state).toBe('ready')
  })

  it('a second cluster in one process, also while the first one starts, and leaves the first one alone', async () => {
    const starting = startCluster({ exec: fixture('sup-worker'), workers: 1 })
    const message = 'This process has a cluster already. Stop it first, or change it with scale() and reload()'
    expect((await refusal(() => createCluster({ exec: fixture('sup-worker') }))).message).toBe(message)
    const cluster = await starting
    expect((await refusal(() => createCluster({ exec: fixture('sup-worker') }))).message).toBe(message)
    expect(leftBehind()).toEqual([cluster.workers.get(1)?.pid])
    expect(cluster.workers.get(1)?.state).toBe('ready')
  })
})

describe('methods that cannot be called are refused by both sides:', () => {
  class Service {
    db = 'a field'
    resize(): void {}
  }
  class Bare {
    resize(): void {}
  }

  it.each<[name: string, methods: unknown, message: string]>([
    ['a value', { limit: 5 }, 'Expected `methods.limit` to be a function, got 5'],
    ['a missing function', { resize: undefined }, 'Expected `methods.resize` to be a function, got undefined'],
    ['an instance with fields', new Service(), 'Expected `methods.db` to be a function, got "a field"'],
    [
      'an instance of a class',
      new Bare(),
      'Expected `methods` to be a plain object of functions, got an instance of Bare: only own properties can be called.',
    ],
    ['a function', () => 1, 'Expected `methods` to be an object of functions, got a function'],
    ['null', null, 'Expected `methods` to be an object of functions, got null'],
    [
      'the name then',
      // biome-ignore lint/suspicious/noThenProperty: that is what is tested.
      { then() {} },
      'A method cannot be named `then`: every object has a then of its own, or is taken for a promise. Rename it',
    ],
    ['the name toString', { toString() {} }, 'A method cannot be named `toString`'],
    ['the name constructor', { constructor() {} }, 'A method cannot be named `constructor`'],
    ['the name __proto__', JSON.parse('{"__proto__": 1}'), 'Expected `methods.__proto__` to be a function, got 1'],
  ])('%s', async (_, methods, message) => {
    for (const attempt of [
      () => createCluster({ exec: fixture('sup-worker'), methods: methods as Anything }),
      () => joinCluster(methods as Anything),
    ]) {
      const error = await refusal(attempt)
      expect(error.message.slice(0, message.length)).toBe(message)
    }
    expect(Object.keys(nodeCluster.workers ?? {})).toEqual([])
  })
})

describe('joinCluster refuses', () => {
  it.each<[options: unknown, message: string]>([
    [null, 'Expected `options` to be an object, got null'],
    [4, 'Expected `options` to be an object, got 4'],
    [{ concurrency: 0 }, 'Expected `concurrency` to be a positive integer, got 0'],
    [{ concurency: 1 }, 'Unknown option `concurency`. Known are `concurrency`, `logger`'],
    [{ logger: 5 }, 'Expected `logger` to be an object, got 5'],
  ])('the options %j', async (options, message) => {
    expect((await refusal(() => joinCluster({}, options as Anything))).message).toBe(message)
  })

  it('methods in a program that stands alone, and lets it end', { timeout: 15_000 }, async () => {
    const program = new Program(fixture('sup-refused'))
    expect(await program.line('refused')).toEqual({ refused: 'Expected `methods.limit` to be a function, got 5' })
    expect(await program.ended).toEqual({ code: 0, signal: null })
  })
})

describe('a running cluster refuses', () => {
  it('wrong arguments, and goes on', async () => {
    const cluster = await startCluster<Contract>({ exec: fixture('sup-worker'), workers: 1 })
    const attempts: [attempt: () => unknown, message: string][] = [
      [() => cluster.scale(0), 'Expected `workers` to be a positive integer, got 0'],
      [() => cluster.scale('3' as Anything), 'Expected `workers` to be a positive integer, got "3"'],
      [() => cluster.on('exit', undefined as Anything), 'Expected a function as the listener of exit'],
      [() => cluster.stop(null as Anything), 'Expected `options` to be an object, got null'],
      [() => cluster.stop({ force: 'yes' as Anything }), 'Expected `options.force` to be true or false, got "yes"'],
      [() => cluster.stop({ forced: true } as Anything), 'Unknown option `options.forced`. Known are `options.force`'],
    ]
    for (const [attempt, message] of attempts) {
      const error = await refusal(attempt)
      expect(error.message.slice(0, message.length)).toBe(message)
    }
    expect(await cluster.call(1, 'identity', [])).toMatchObject({ id: 1, incarnation: 1 })
    expect(cluster.workers.get(1)?.state).toBe('ready')
  })

  it('in a worker: a cluster of its own, a second join, and hooks and listeners that are no functions', async () => {
    const cluster = await startCluster<Contract>({ exec: fixture('sup-worker'), workers: 1 })
    expect(await cluster.call(1, 'misuse', ['createCluster'])).toBe(
      'UsageError ERR_USAGE: createCluster was called in a worker. Call joinCluster there; `isPrimary` tells the two apart',
    )
    expect(await cluster.call(1, 'misuse', ['joinCluster'])).toBe(
      'UsageError ERR_USAGE: joinCluster was called twice in one worker. Keep what the first call returned',
    )
    expect(await cluster.call(1, 'misuse', ['onDrain'])).toBe(
      'UsageError ERR_USAGE: Expected `hook` to be a function, got "nothing"',
    )
    expect(await cluster.call(1, 'misuse', ['on'])).toBe(
      'UsageError ERR_USAGE: Expected a function as the listener of exit',
    )
    expect(await cluster.call(1, 'identity', [])).toMatchObject({ id: 1, incarnation: 1 })
  })
})
