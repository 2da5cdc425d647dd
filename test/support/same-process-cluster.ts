import type { UntypedContract } from '../../src/protocol/contract.js'
import type { DownFrame, UpFrame } from '../../src/protocol/frames.js'
import type { ProcessRef } from '../../src/protocol/ids.js'
import { readBalance } from '../../src/runtime/connections/balance.js'
import { NodeSockets } from '../../src/runtime/connections/node-sockets.js'
import { DEFAULT_LIMITS, DEFAULT_TIMEOUTS } from '../../src/runtime/limits.js'
import { registerMethods } from '../../src/runtime/messaging/method-registry.js'
import type { PrimarySettings } from '../../src/runtime/options.js'
import { buildPrimary } from '../../src/runtime/primary.js'
import type { Child, ChildEvents, Launcher } from '../../src/runtime/supervision/child.js'
import { DEFAULT_RECYCLE } from '../../src/runtime/supervision/recycle-policy.js'
import { DEFAULT_RESTART } from '../../src/runtime/supervision/restart-policy.js'
import { memoryLink } from '../../src/runtime/transports/memory.js'
import { buildWorker, type WorkerCluster } from '../../src/runtime/worker.js'
import { WorkerHost } from '../../src/runtime/worker-host.js'
import { FakeClock } from './fake-clock.js'
import { FakeLogger } from './fake-logger.js'

/** One worker of a cluster in one process: the real parts, over a link that copies, without a process under them. */
interface SimulatedWorker {
  readonly ref: ProcessRef
  readonly joined: Promise<WorkerCluster<UntypedContract>>
  /** Dies, as by a signal: nothing that it says after this is heard. */
  die(): void
}

/** The real roots of primary and workers in one process, on one fake clock. */
export function sameProcessCluster(
  workerMethods: object,
  settings: Partial<PrimarySettings> = {},
  methods: object = {},
) {
  const clock = new FakeClock()
  const logger = new FakeLogger()
  const workers: SimulatedWorker[] = []
  const launcher: Launcher = {
    launch(ref: ProcessRef, events: ChildEvents): Child {
      const [primaryEnd, workerEnd] = memoryLink<DownFrame, UpFrame>({ copy: true })
      const host = new WorkerHost({
        identity: { ...ref, primary: 0, signals: false, limits: DEFAULT_LIMITS, timeouts: DEFAULT_TIMEOUTS },
        link: workerEnd,
        clock,
        drainConnections: async () => 0,
        connections: () => {},
        released: () => {},
      })
      const joined = buildWorker<UntypedContract>(workerMethods, {}, { host, clock, logger })
      joined.catch(() => {})
      const exit = (signal: string): void => {
        primaryEnd.close()
        queueMicrotask(() => {
          events.disconnected()
          events.exited({ code: null, signal })
        })
      }
      workers.push({ ref, joined, die: () => exit('SIGKILL') })
      return { pid: 100 + ref.incarnation, link: primaryEnd, kill: exit, output: () => '', outputRead: async () => {} }
    },
  }
  const { cluster, boot } = buildPrimary<UntypedContract>(
    {
      workers: 2,
      methods: registerMethods(methods, 'methods'),
      ready: 'join',
      restart: DEFAULT_RESTART,
      recycle: DEFAULT_RECYCLE,
      timeouts: DEFAULT_TIMEOUTS,
      limits: DEFAULT_LIMITS,
      plans: readBalance(undefined),
      ...settings,
    },
    { clock, random: () => 0.5, launcher, sockets: new NodeSockets(clock), logger },
  )
  /** The worker with that incarnation, joined. */
  const worker = (incarnation: number): Promise<WorkerCluster<UntypedContract>> =>
    (workers[incarnation - 1] as SimulatedWorker).joined
  const started = async (): Promise<void> => {
    const booted = boot()
    await clock.settle()
    await booted
  }
  return { cluster, clock, logger, workers, worker, started }
}
