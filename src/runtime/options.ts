import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { AnyContract, PrimaryMethods, UntypedContract } from '../protocol/contract.js'
import { UsageError } from '../protocol/errors.js'
import { type Balance, type Plans, readBalance } from './connections/balance.js'
import {
  expectBoolean,
  expectDuration,
  expectFunction,
  expectKnown,
  expectNumber,
  expectObject,
  expectOneOf,
  expectPositiveInteger,
  unexpected,
} from './expect.js'
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS, type Limits, type Timeouts } from './limits.js'
import { type Logger, stderrLogger } from './logger.js'
import { type RegisteredMethod, registerMethods } from './messaging/method-registry.js'
import type { ProcessOptions } from './supervision/launcher.js'
import { READY_MODES, type ReadyMode } from './supervision/readiness.js'
import { DEFAULT_RECYCLE, type RecycleOptions } from './supervision/recycle-policy.js'
import { type Backoff, DEFAULT_RESTART, type RestartOptions } from './supervision/restart-policy.js'
import { MAX_DELAY } from './timer-queue.js'
import { lineLimit } from './transports/line-limit.js'

export type RestartSettings = Partial<Omit<RestartOptions, 'backoff'>> & {
  readonly backoff?: Partial<Backoff> | undefined
}

/** The options of `createCluster`. Those from `exec` to `windowsHide` are node's, with node's names and meanings. */
export interface ClusterOptions<C extends AnyContract = UntypedContract> extends Partial<Omit<ProcessOptions, 'exec'>> {
  /** The workers' program, a path or a file URL. Default: the running file, as in node. */
  readonly exec?: string | URL | undefined
  /** Default: `os.availableParallelism()`. */
  readonly workers?: number | undefined
  /** The primary's own methods, for `cluster.call('primary', …)`. */
  readonly methods?: PrimaryMethods<C> | undefined
  /**
   * When a worker may receive calls and connections. `join`: one turn after `joinCluster` resolved. `listen`: when one of its
   * servers listens. `online`: when its process runs. `manual`: when it calls `cluster.ready()`. Default `auto`: the first
   * of join and listen. A replacement must moreover listen wherever its predecessor did.
   */
  readonly ready?: ReadyMode | undefined
  /**
   * How connections come to workers, for all ports or for each. Default `round-robin`: an even share, which each worker
   * accepts for itself; `NODE_CLUSTER_SCHED_POLICY=none` in the environment makes it `os`.
   */
  readonly balance?: Balance | undefined
  readonly restart?: RestartSettings | undefined
  /**
   * Replaces a worker that has grown, or served for long, as a reload of that one would; one at a time, and not counted as a
   * restart. Each limit is off unless it is given.
   */
  readonly recycle?: Partial<RecycleOptions> | undefined
  readonly timeouts?: Partial<Timeouts> | undefined
  readonly limits?: Partial<Limits> | undefined
  /**
   * SIGINT and SIGTERM stop the cluster in order, a second one at once; SIGHUP reloads. Workers leave those signals to the
   * primary. Default false: the library touches no signal.
   */
  readonly signals?: boolean | undefined
  /**
   * What workers send to each other goes over a unix socket between the two, from when it is first needed. Where none can be
   * had, and with false, it goes by way of the primary. Default true.
   */
  readonly directLinks?: boolean | undefined
  /** Where warnings go that no caller can be told. Default: stderr. */
  readonly logger?: Logger | undefined
}

/** What the primary is wired from. */
export interface PrimarySettings {
  readonly workers: number
  readonly methods: ReadonlyMap<string, RegisteredMethod>
  readonly ready: ReadyMode
  readonly restart: RestartOptions
  readonly recycle: RecycleOptions
  readonly timeouts: Timeouts
  readonly limits: Limits
  /** How the connections of each port come to workers. */
  readonly plans: Plans
}

export interface ReadOptions extends PrimarySettings {
  readonly processes: ProcessOptions
  readonly signals: boolean
  readonly directLinks: boolean
  readonly logger: Logger
}

/** Base64 makes a third more of it, and the rest of its frame goes beside in the shortest line that a channel may have. */
const MOST_PEEK = lineLimit(0) / 2

const PROCESS_OPTIONS = [
  'exec',
  'args',
  'execArgv',
  'silent',
  'stdio',
  'uid',
  'gid',
  'cwd',
  'env',
  'inspectPort',
  'windowsHide',
] as const
const KNOWN = [
  ...PROCESS_OPTIONS,
  'workers',
  'methods',
  'ready',
  'balance',
  'restart',
  'recycle',
  'timeouts',
  'limits',
  'signals',
  'directLinks',
  'logger',
]

/** Checks everything before anything is started, so that a wrong option never leaves half a cluster behind. */
export function readOptions<C extends AnyContract>(options: ClusterOptions<C>): ReadOptions {
  expectObject(options, 'options')
  if ('serialization' in options) {
    throw new UsageError(
      "`serialization` cannot be chosen: the messages of troupe need node's JSON channel. Values that JSON loses (Map, Date, Buffer, …) are kept all the same",
    )
  }
  expectKnown(options, KNOWN, '')
  return {
    processes: readProcesses(options),
    workers: options.workers === undefined ? availableParallelism() : expectPositiveInteger(options.workers, 'workers'),
    methods: registerMethods(options.methods, 'methods'),
    ready: options.ready === undefined ? 'auto' : expectOneOf(options.ready, 'ready', READY_MODES),
    plans: readBalance(options.balance),
    restart: readRestart(options.restart ?? {}),
    recycle: readRecycle(options.recycle ?? {}),
    timeouts: readTimeouts(options.timeouts),
    limits: readLimits(options.limits),
    signals: expectBoolean(options.signals ?? false, 'signals'),
    directLinks: expectBoolean(options.directLinks ?? true, 'directLinks'),
    logger: readLogger(options.logger),
  }
}

function readTimeouts(options: ClusterOptions['timeouts']): Timeouts {
  const timeouts = readAll(options, DEFAULT_TIMEOUTS, 'timeouts', (value, name) =>
    name === 'timeouts.settle' ? expectNumber(value, name, 0, MAX_DELAY) : expectDuration(value, name),
  )
  const { heartbeat, blocked } = timeouts
  if (blocked < heartbeat)
    throw new UsageError(
      `Expected \`timeouts.blocked\` to be no less than \`timeouts.heartbeat\`, got ${blocked} and ${heartbeat}: a worker is taken out of rotation before it is killed`,
    )
  return timeouts
}

function readLimits(options: ClusterOptions['limits']): Limits {
  const limits = readAll(options, DEFAULT_LIMITS, 'limits', expectPositiveInteger)
  if (limits.peek > MOST_PEEK)
    throw new UsageError(
      `Expected \`limits.peek\` to be at most ${MOST_PEEK}, got ${limits.peek}: a head goes to its worker in one message`,
    )
  return limits
}

/** The program's logger, so that one that throws cannot break what reports to it. */
export function readLogger(logger: Logger | undefined): Logger {
  if (logger === undefined) return stderrLogger
  expectObject(logger, 'logger')
  expectFunction(logger.warn, 'logger.warn')
  expectFunction(logger.error, 'logger.error')
  const guarded =
    (level: keyof Logger): Logger[keyof Logger] =>
    (message, error) => {
      try {
        logger[level](message, error)
      } catch (failure) {
        stderrLogger[level](message, error)
        stderrLogger.error(`the logger's \`${level}\` threw`, failure)
      }
    }
  return { warn: guarded('warn'), error: guarded('error') }
}

function readProcesses(options: Omit<ClusterOptions, 'methods'>): ProcessOptions {
  const { args, execArgv, silent, stdio, uid, gid, cwd, env, inspectPort, windowsHide } = options
  checkSettings({ args, execArgv, env })
  for (const [name, flag] of Object.entries({ silent, windowsHide })) if (flag !== undefined) expectBoolean(flag, name)
  for (const [name, number] of Object.entries({ uid, gid }))
    if (number !== undefined) expectNumber(number, name, 0, 2 ** 32 - 1)
  if (cwd !== undefined && typeof cwd !== 'string') throw unexpected('cwd', 'a path', cwd)
  if (cwd !== undefined && !existsSync(cwd))
    throw new UsageError(`Expected \`cwd\` to be a directory that exists, got ${JSON.stringify(cwd)}`)
  if (inspectPort !== undefined && typeof inspectPort !== 'function')
    expectNumber(inspectPort, 'inspectPort', 0, 65_535)
  if (stdio !== undefined && !(Array.isArray(stdio) && stdio.includes('ipc')))
    throw new UsageError(
      "Expected `stdio` to be an array that contains 'ipc', the channel to the worker, such as ['inherit', 'inherit', 'pipe', 'ipc']",
    )
  return { exec: readExec(options.exec), args, execArgv, silent, stdio, uid, gid, cwd, env, inspectPort, windowsHide }
}

/** Those that a reload can change, but for `exec`. */
export function checkSettings({ args, execArgv, env }: Pick<ClusterOptions, 'args' | 'execArgv' | 'env'>): void {
  for (const [name, list] of Object.entries({ args, execArgv })) {
    if (list !== undefined && !(Array.isArray(list) && list.every((entry) => typeof entry === 'string')))
      throw unexpected(name, 'an array of strings', list)
  }
  if (env !== undefined) expectObject(env, 'env')
}

export function readExec(exec: string | URL | undefined): string {
  if (exec instanceof URL || (typeof exec === 'string' && exec.startsWith('file:'))) {
    try {
      return fileURLToPath(exec)
    } catch (error) {
      const reason = (error as Error).message
      throw new UsageError(`Expected \`exec\` to be a path or a file: URL, got ${String(exec)}: ${reason}`)
    }
  }
  if (typeof exec === 'string' && exec !== '') return exec
  if (exec !== undefined) throw unexpected('exec', 'a path or a file: URL', exec)
  const running = process.argv[1]
  if (running === undefined) throw new UsageError('Expected `exec`: there is no running file to start the workers from')
  return running
}

function readRestart(restart: RestartSettings): RestartOptions {
  expectObject(restart, 'restart')
  expectKnown(restart, Object.keys(DEFAULT_RESTART), 'restart.')
  const backoff = complete(expectObject(restart.backoff ?? {}, 'restart.backoff'), DEFAULT_RESTART.backoff)
  expectKnown(backoff, Object.keys(DEFAULT_RESTART.backoff), 'restart.backoff.')
  expectDuration(backoff.min, 'restart.backoff.min')
  expectDuration(backoff.max, 'restart.backoff.max')
  if (backoff.min > backoff.max)
    throw new UsageError(
      `Expected \`restart.backoff.min\` to be no more than \`restart.backoff.max\`, got ${backoff.min} and ${backoff.max}`,
    )
  expectNumber(backoff.factor, 'restart.backoff.factor', 1, 100)
  expectNumber(backoff.jitter, 'restart.backoff.jitter', 0, 1)
  const { policy, max, within, onLimit } = complete(restart, DEFAULT_RESTART)
  expectOneOf(policy, 'restart.policy', ['permanent', 'transient', 'temporary'])
  if (!(Number.isSafeInteger(max) && max >= 0)) throw unexpected('restart.max', 'a whole number, 0 or more', max)
  expectDuration(within, 'restart.within')
  expectOneOf(onLimit, 'restart.onLimit', ['degrade', 'stop'])
  return { policy, max, within, backoff, onLimit }
}

function readRecycle(recycle: Partial<RecycleOptions>): RecycleOptions {
  expectObject(recycle, 'recycle')
  expectKnown(recycle, ['rss', 'heap', 'age', 'requests', 'jitter'], 'recycle.')
  const { rss, heap, age, requests, jitter } = complete(recycle, DEFAULT_RECYCLE)
  for (const [name, bytes] of Object.entries({ rss, heap }))
    if (bytes !== undefined) expectPositiveInteger(bytes, `recycle.${name}`)
  if (age !== undefined) expectDuration(age, 'recycle.age')
  if (requests !== undefined) expectPositiveInteger(requests, 'recycle.requests')
  return { rss, heap, age, requests, jitter: expectNumber(jitter, 'recycle.jitter', 0, 1) }
}

/** An option that is undefined is as good as one that is not there. */
function complete<T extends object>(given: object, defaults: T): T {
  const defined = Object.entries(given).filter(([, value]) => value !== undefined)
  return { ...defaults, ...Object.fromEntries(defined) }
}

function readAll<T extends object>(
  given: Partial<T> | undefined,
  defaults: T,
  name: string,
  check: (value: unknown, name: string) => void,
): T {
  const values = expectObject(given ?? {}, name)
  expectKnown(values, Object.keys(defaults), `${name}.`)
  const completed = complete(values, defaults)
  for (const [key, value] of Object.entries(completed)) check(value, `${name}.${key}`)
  return completed
}
