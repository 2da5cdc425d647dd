import type { AnyContract, UntypedContract, WorkerMethods } from '../protocol/contract.js'
import { UsageError } from '../protocol/errors.js'
import type { DownFrame, UpFrame } from '../protocol/frames.js'
import type { ProcessRef } from '../protocol/ids.js'
import { claim } from './claim.js'
import { systemClock } from './clock.js'
import { readBalance } from './connections/balance.js'
import { NodeSockets } from './connections/node-sockets.js'
import { expectObject } from './expect.js'
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS } from './limits.js'
import { readLogger } from './options.js'
import { withoutOwnFrames } from './own-frames.js'
import { buildPrimary } from './primary.js'
import type { Child, ChildEvents, Launcher } from './supervision/child.js'
import { DEFAULT_RECYCLE } from './supervision/recycle-policy.js'
import { DEFAULT_RESTART } from './supervision/restart-policy.js'
import { memoryLink } from './transports/memory.js'
import { buildWorker, type JoinOptions, type WorkerCluster } from './worker.js'
import { WorkerHost } from './worker-host.js'

/**
 * Makes this worker's functions callable and resolves with its view of the cluster. In a process that is no worker of a
 * cluster (`node worker.js`, a unit test) it makes a cluster of one: worker 1, over the same codec, without a primary's methods.
 *
 * @param methods Plain functions, by name; `method(options, fn)` gives one options.
 */
export async function joinCluster<C extends AnyContract = UntypedContract>(
  methods?: WorkerMethods<C>,
  options: JoinOptions = {},
): Promise<WorkerCluster<C>> {
  try {
    return await join<C>(methods, options)
  } catch (error) {
    throw withoutOwnFrames(error)
  }
}

async function join<C extends AnyContract>(
  methods: object | undefined,
  options: JoinOptions,
): Promise<WorkerCluster<C>> {
  expectObject(options, 'options')
  const logger = readLogger(options.logger)
  const clock = systemClock()
  const host = WorkerHost.find()
  if (host) return await buildWorker<C>(methods, options, { host, clock, logger })

  if (claim.isHeld)
    throw new UsageError(
      'joinCluster was called in the primary of a cluster. Call it in the workers; `isPrimary` tells the two apart',
    )
  const launcher = new SameProcessLauncher()
  const { boot, supervisor } = buildPrimary<C>(
    {
      workers: 1,
      methods: new Map(),
      ready: 'join',
      restart: DEFAULT_RESTART,
      recycle: DEFAULT_RECYCLE,
      timeouts: DEFAULT_TIMEOUTS,
      limits: DEFAULT_LIMITS,
      plans: readBalance(undefined),
    },
    { clock, random: Math.random, launcher, sockets: new NodeSockets(clock), logger },
  )
  const booted = boot()
  // It cannot fail but for a mistake in the methods, which `buildWorker` throws.
  booted.catch(() => {})
  try {
    return await buildWorker<C>(methods, options, { host: launcher.host(), clock, logger })
  } catch (error) {
    // It would wait for its worker to be ready, and keep the program alive for as long.
    await supervisor.kill()
    throw error
  }
}

/** "Starts" worker 1 in this very process, over a link that copies every frame as a real one would. */
class SameProcessLauncher implements Launcher {
  #host: WorkerHost | undefined

  host(): WorkerHost {
    if (!this.#host) throw new Error('The cluster of one has not been started')
    return this.#host
  }

  launch(ref: ProcessRef, events: ChildEvents): Child {
    const [primaryEnd, workerEnd] = memoryLink<DownFrame, UpFrame>({ copy: true })
    const identity = {
      ...ref,
      primary: process.pid,
      signals: false,
      limits: DEFAULT_LIMITS,
      timeouts: DEFAULT_TIMEOUTS,
    }
    this.#host = new WorkerHost({
      identity,
      link: workerEnd,
      clock: systemClock(),
      drainConnections: async () => 0,
      connections: () => {},
      released: () => {},
    })
    return {
      pid: process.pid,
      link: primaryEnd,
      kill: (signal) => events.exited({ code: null, signal }),
      output: () => '',
      outputRead: () => Promise.resolve(),
    }
  }
}
