import { setTimeout as after } from 'node:timers/promises'
import { Load, waiting } from '../clients/load.js'
import { Cluster, signal } from '../cluster.js'
import { anyOf, aWhile, Killer } from '../killer.js'
import { reasons } from '../ledger.js'
import { type Policy, policiesFor } from '../policies.js'
import type { Report, Run, Size } from '../report.js'

const WORKERS = 4
/** How long each fault goes on, ms. */
const DURATION = { brief: 1_500, quick: 6_000, full: 30_000 }

interface Fault {
  readonly name: string
  /** Does it once; again and again until the time is over. */
  readonly inflict: (cluster: Cluster, killer: Killer, workers: readonly number[]) => Promise<void>
}

const FAULTS: readonly Fault[] = [
  {
    name: 'process.exit in workers',
    async inflict(_cluster, killer, workers) {
      killer.exit(anyOf(workers))
      await aWhile(300, 600)
    },
  },
  {
    name: 'blocked loops',
    async inflict(_cluster, _killer, workers) {
      signal(anyOf(workers), 'SIGWINCH')
      await aWhile(200, 800)
    },
  },
  {
    name: 'SIGSTOP and SIGCONT',
    async inflict(_cluster, _killer, workers) {
      const pid = anyOf(workers)
      signal(pid, 'SIGSTOP')
      await aWhile(10, 700)
      signal(pid, 'SIGCONT')
      await aWhile(10, 200)
    },
  },
]

/** What an operator does, over and over. */
const CHANGES: readonly Fault[] = [
  {
    name: 'a reload loop',
    inflict: async (cluster) => void (await cluster.ask('reload', { settle: 0 })),
  },
  {
    name: 'a scale loop',
    async inflict(cluster, _killer, workers) {
      await cluster.ask('scale', workers.length === 2 ? 5 : anyOf([2, 3, 4]))
    },
  },
  {
    name: 'reloads and scaling with SIGKILLs in between',
    async inflict(cluster, killer) {
      const change = anyOf([() => cluster.ask('reload', { settle: 100 }), () => cluster.ask('scale', anyOf([2, 3, 4]))])
      // It fails when it is one of the new workers that dies.
      const changed = change().then(
        () => {},
        () => {},
      )
      await aWhile(100, 800)
      const workers = await cluster.pids()
      if (workers.length > 1) killer.kill(anyOf(workers))
      await changed
    },
  },
]

export const faults: Run = {
  name: 'faults',
  about: 'workers that exit, block or are stopped, under load',
  run: (size, report) => inflictAll(FAULTS, 'faults', size, report),
}

export const loops: Run = {
  name: 'loops',
  about: 'reloads and scaling without a pause, under load',
  run: (size, report) => inflictAll(CHANGES, 'loops', size, report),
}

async function inflictAll(all: readonly Fault[], run: string, size: Size, report: Report): Promise<void> {
  for (const policy of policiesFor(size)) {
    for (const fault of all) {
      const restart = { max: 10_000, backoff: { min: 1, max: 50 } }
      // A loop that is blocked for longer than node's own keep-alive timeout ends connections whose next request is there.
      const env = { KEEP_ALIVE: '60000' }
      const cluster = await Cluster.start({ workers: WORKERS, restart, balance: policy.balance, env })
      try {
        await inflict(fault, { run, policy, cluster, duration: DURATION[size] }, report)
      } finally {
        await cluster.end()
      }
    }
  }
}

interface Scene {
  readonly run: string
  readonly policy: Policy
  readonly cluster: Cluster
  /** ms. */
  readonly duration: number
}

async function inflict(fault: Fault, { run, policy, cluster, duration }: Scene, report: Report): Promise<void> {
  const name = `${run}, ${fault.name}, ${policy.name}`
  const { headers } = policy
  const killer = new Killer(cluster)
  const loads = (['fresh', 'kept'] as const).map(
    (kind) => new Load({ port: cluster.port, clients: 12, kind, path: waiting(10), headers }),
  )
  const end = performance.now() + duration
  let times = 0
  while (performance.now() < end) {
    const workers = await cluster.pids()
    if (workers.length > 1) {
      await fault.inflict(cluster, killer, workers)
      times += 1
    } else await after(20)
  }
  for (const [index, load] of loads.entries()) {
    const { begun, failures, hung, open } = await load.stop()
    const kind = index === 0 ? 'a connection each' : 'kept alive'
    const unexplained = killer.unexplained(failures)
    const where = killer.count > 0 ? ' outside of a worker that exited' : ''
    report.none(`${name}: failed requests${where}, of ${begun}, ${kind}`, unexplained.length, reasons(unexplained))
    report.none(`${name}: hung requests, ${kind}`, hung.length + open, reasons(hung))
  }
  report.note(`${name}: times`, times)
}
