import type { DownFrame, UpFrame } from '../../src/protocol/frames.js'
import type { Transport } from '../../src/protocol/transport.js'
import { DEFAULT_TIMEOUTS } from '../../src/runtime/limits.js'
import type { ClusterEnd, ExitEvent, ReloadEvent, UnhealthyEvent } from '../../src/runtime/supervision/events.js'
import type { Incarnation } from '../../src/runtime/supervision/incarnation.js'
import { DEFAULT_RECYCLE } from '../../src/runtime/supervision/recycle-policy.js'
import { DEFAULT_RESTART, type RestartOptions } from '../../src/runtime/supervision/restart-policy.js'
import { publicState } from '../../src/runtime/supervision/slot.js'
import { Supervisor, type SupervisorOptions } from '../../src/runtime/supervision/supervisor.js'
import { FakeClock } from './fake-clock.js'
import { type FakeChild, FakeLauncher } from './fake-launcher.js'
import { FakeLogger } from './fake-logger.js'

/**
 * A reload takes over at once when all are ready, and nobody is missed for being silent, where a test does not say otherwise.
 */
export const TIMEOUTS = {
  ...DEFAULT_TIMEOUTS,
  ready: 1_000,
  settle: 0,
  drain: 400,
  kill: 200,
  heartbeat: 1e9,
  blocked: 1e9,
}

/** A supervisor on the fake clock, whose processes are only told of. */
export function superviseFakes(
  options: Partial<Omit<SupervisorOptions, 'restart'>> & { restart?: Partial<RestartOptions> } = {},
) {
  const clock = new FakeClock(0)
  /** What happened, in words. */
  const log: string[] = []
  /** What the rest of the cluster knows of each slot. */
  const states = new Map<number, string>()
  /** What is reported of processes and asked of them, in order: "3 ready", "drain 1". */
  const story: string[] = []
  const ends: ClusterEnd[] = []
  const reloads: ReloadEvent[] = []
  const unhealthy: UnhealthyEvent[] = []
  const exits: ExitEvent[] = []
  const processes = new Map<number, Incarnation>()
  /** The way to each process, as the rest of the cluster has it. */
  const links = new Map<number, Transport<DownFrame, UpFrame>>()
  /** Called at every report of a process, with all that have been reported so far. */
  const hooks = { member: (_processes: readonly Incarnation[]): void => {} }
  const logger = new FakeLogger()
  const launcher = new FakeLauncher((ref, frame) => supervisor.receive(ref, frame))
  launcher.plan = (child) => child.join()
  const busy = new Set<number>()
  let wake: (() => void)[] = []
  const calls = {
    close: (incarnation?: number) => log.push(`calls close ${incarnation ?? 'all'}`),
    idle: (incarnation?: number) =>
      new Promise<void>((resolve) => {
        const check = (): void => {
          if (incarnation === undefined ? busy.size > 0 : busy.has(incarnation)) wake.push(check)
          else resolve()
        }
        check()
      }),
  }
  const { restart, ...others } = options
  const supervisor: Supervisor = new Supervisor({
    workers: 2,
    ready: 'join',
    timeouts: TIMEOUTS,
    clock,
    random: () => 0.5,
    launcher,
    logger,
    calls,
    restart: { ...DEFAULT_RESTART, ...restart },
    recycle: DEFAULT_RECYCLE,
    reports: {
      launched({ incarnation }, link) {
        links.set(incarnation, link)
        const send = link.send.bind(link)
        link.send = (frame) => {
          if (frame.kind === 'drain') story.push(`drain ${incarnation}`)
          send(frame)
        }
      },
      member(incarnation, { slot, removed }) {
        story.push(`${incarnation.ref.incarnation} ${incarnation.phase}`)
        processes.set(incarnation.ref.incarnation, incarnation)
        hooks.member([...processes.values()])
        if (removed) states.delete(slot.id)
        else if (slot.state.incarnation === incarnation) states.set(slot.id, publicState(slot))
      },
      gone: async ({ incarnation }) => {
        busy.delete(incarnation)
        log.push(`gone ${incarnation}`)
      },
      event(name, detail) {
        if (name === 'exit') exits.push(detail as ExitEvent)
        if (name === 'unhealthy') {
          const event = detail as UnhealthyEvent
          unhealthy.push(event)
          log.push(`unhealthy ${event.incarnation} ${event.phase}`)
        } else if (name === 'restart') log.push(`restart ${JSON.stringify(detail)}`)
        else if (name === 'reload') {
          const event = detail as ReloadEvent
          reloads.push(event)
          log.push(`reload ${event.phase}`)
        } else log.push(`${name} ${'incarnation' in detail ? detail.incarnation : ''}`)
      },
      welcome: () => ({ kind: 'welcome', members: [], primary: {} }),
      stopping: () => {},
      ended(end) {
        ends.push(end)
        log.push(`ended ${end.reason}`)
      },
    },
    ...others,
  })
  const work = (incarnation: number, is: boolean): void => {
    if (is) busy.add(incarnation)
    else busy.delete(incarnation)
    const checks = wake
    wake = []
    for (const check of checks) check()
  }
  /** Starts the cluster; every process joins at once unless the plan says otherwise. */
  const boot = async (): Promise<void> => {
    const booted = supervisor.boot()
    await clock.settle()
    await booted
  }
  const die = async (incarnation: number, code: number | null = 1, signal: string | null = null): Promise<void> => {
    launcher.child(incarnation).exit(code, signal)
    await clock.settle()
  }
  /** Lets run what can, then waits for it. */
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    promise.catch(() => {})
    await clock.settle()
    return promise
  }
  const child = (incarnation: number): FakeChild => launcher.child(incarnation)
  return {
    supervisor,
    clock,
    log,
    logger,
    states,
    links,
    story,
    ends,
    exits,
    reloads,
    unhealthy,
    hooks,
    launcher,
    boot,
    die,
    work,
    settled,
    child,
  }
}

/** The kinds of frames that a process was sent. */
export const told = (child: FakeChild): string[] => child.received.map(({ kind }) => kind)
