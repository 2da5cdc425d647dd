import type { AnyContract, PrimaryMethods, UntypedContract, WorkerMethods } from '../protocol/contract.js'
import { expectKnown, expectObject, expectPositiveInteger } from '../runtime/expect.js'
import type { Logger } from '../runtime/logger.js'
import { type ClusterOptions, readLogger, readOptions } from '../runtime/options.js'
import { buildPrimary } from '../runtime/primary.js'
import type { JoinOptions, WorkerCluster } from '../runtime/worker.js'
import { expectFaults, expectSeed } from './expect-plan.js'
import { type FaultPlan, Faults } from './faults.js'
import type { SimulationHooks } from './hooks.js'
import { Machine } from './machine.js'
import { noSockets } from './no-sockets.js'
import { Random } from './random.js'
import type { WorkerProcess, WorkerProgram } from './simulated-worker.js'
import { Simulation } from './simulation.js'
import { Trace } from './trace.js'
import { VirtualTime } from './virtual-time.js'

export interface SimulationOptions<C extends AnyContract = UntypedContract> {
  /** How many workers. Default 2. */
  readonly workers?: number | undefined
  /**
   * The workers' methods. An object is shared by all workers of the simulation, with whatever it closes over; a function makes
   * each process its own, as a program that runs in each would.
   */
  readonly methods?: WorkerMethods<C> | ((process: WorkerProcess) => WorkerMethods<C>) | undefined
  /** What the workers' program does once it has joined: subscribe, start a timer. */
  readonly program?: ((cluster: WorkerCluster<C>, process: WorkerProcess) => unknown) | undefined
  /** Everything random follows from it. Default 1. */
  readonly seed?: number | undefined
  /** Faults that befall the cluster from when it is ready. Default: none but what the test does itself. */
  readonly faults?: FaultPlan | undefined
  /** What `createCluster` takes, as far as it is not about real processes. */
  readonly options?: SimulatedClusterOptions<C> | undefined
  /** What `joinCluster` takes in each worker. */
  readonly join?: JoinOptions | undefined
}

export interface SimulatedClusterOptions<C extends AnyContract = UntypedContract>
  extends Pick<ClusterOptions<C>, 'ready' | 'restart' | 'timeouts' | 'limits' | 'directLinks' | 'logger'> {
  /** The primary's own methods. */
  readonly methods?: PrimaryMethods<C> | undefined
}

const CLUSTER_OPTIONS = [
  'ready',
  'restart',
  'timeouts',
  'limits',
  'directLinks',
  'logger',
  'methods',
] as const satisfies readonly (keyof SimulatedClusterOptions)[]

/**
 * A whole cluster in this one process, in virtual time: the same supervisor, router, calls, mailboxes and channels as
 * `createCluster` wires, over simulated processes, and everything random from a seed. Resolves when every worker is ready.
 *
 * Methods have to take their time from the simulation (`process.sleep`): what waits for a real timer, file or socket is not
 * waited for.
 */
export async function simulateCluster<C extends AnyContract = UntypedContract>(
  options: SimulationOptions<C> = {},
): Promise<Simulation<C>> {
  return await simulate(options, {})
}

/** The same, with an eye and a hand in it, for the tests of the simulator. */
export async function simulate<C extends AnyContract = UntypedContract>(
  options: SimulationOptions<C>,
  hooks: SimulationHooks,
): Promise<Simulation<C>> {
  expectObject(options, 'options')
  expectKnown(options, ['workers', 'methods', 'program', 'seed', 'faults', 'options', 'join'], '')
  const { seed = 1, workers = 2, methods = {}, program, join = {} } = options
  expectPositiveInteger(workers, 'workers')
  expectSeed(seed)
  if (options.options !== undefined) expectKnown(expectObject(options.options, 'options'), CLUSTER_OPTIONS, 'options.')
  const faultPlan = options.faults && expectFaults(options.faults, 'faults')
  const random = new Random(seed)
  const time = new VirtualTime()
  const trace = new Trace()
  const logger = traced(trace, time, options.options?.logger)
  // `exec` is never started.
  const settings = readOptions<C>({ ...options.options, workers, exec: 'simulated', logger })
  const machine = new Machine({
    time,
    random,
    trace,
    hooks,
    logger,
    limits: settings.limits,
    timeouts: settings.timeouts,
    directLinks: settings.directLinks,
    program: { methods, program, join } as WorkerProgram<AnyContract>,
  })
  hooks.built?.(machine)
  const jitter = random.fork('supervision')
  const { cluster, boot } = buildPrimary<C>(settings, {
    clock: machine.primaryClock,
    random: () => jitter.next(),
    launcher: machine,
    sockets: noSockets,
    logger,
    place: machine.meetings,
  })
  const faults = new Faults({
    machine,
    time,
    random: random.fork('faults'),
    workers,
    reload: (settle) => cluster.reload({ settle }),
    scale: (count) => cluster.scale(count),
  })
  const simulation = new Simulation<C>({ seed, workers, cluster, machine, time, trace, faults })
  await simulation.until(boot())
  if (faultPlan) simulation.startFaults(faultPlan)
  return simulation
}

/** What is logged is part of the trace. */
function traced(trace: Trace, time: VirtualTime, logger: Logger | undefined): Logger {
  const own = logger && readLogger(logger)
  const level =
    (name: keyof Logger): Logger[keyof Logger] =>
    (message, error) => {
      trace.add(time.now, 'log', `${name}: ${message}${error instanceof Error ? `: ${error.message}` : ''}`)
      own?.[name](message, error)
    }
  return { warn: level('warn'), error: level('error') }
}
