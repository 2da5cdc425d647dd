import { Load, waiting } from '../clients/load.js'
import { Cluster, eventually, signal } from '../cluster.js'
import { anyOf, aWhile, Killer } from '../killer.js'
import { type Ledger, reasons } from '../ledger.js'
import { type Policy, policiesFor } from '../policies.js'
import type { Report, Run } from '../report.js'

const KILLS = { brief: 8, quick: 30, full: 200 }
const CLIENTS = 64
const WORKERS = 4

/** As many restarts as it takes, and quick ones: the load should seldom meet less than two workers. */
const RESTART = { max: 10_000, backoff: { min: 1, max: 50 } }

export const kills: Run = {
  name: 'kills',
  about: 'SIGKILLs at random under 64 clients with a connection per request',
  async run(size, report) {
    for (const policy of policiesFor(size)) {
      const { balance } = policy
      const cluster = await Cluster.start({ workers: WORKERS, restart: RESTART, balance })
      try {
        await killWorkers(policy, cluster, KILLS[size], report)
      } finally {
        await cluster.end()
      }
    }
  },
}

async function killWorkers(policy: Policy, cluster: Cluster, kills: number, report: Report): Promise<void> {
  const name = `kills, ${policy.name}`
  // Whatever is opened once and kept is opened now.
  await new Load({ port: cluster.port, clients: CLIENTS, kind: 'fresh', requests: 500, headers: policy.headers }).done
  await isQuiet(cluster)
  const before = cluster.descriptors

  const killer = new Killer(cluster)
  const { begun, answered, failures, hung, open } = await underLoad(policy, cluster, kills, (pid) => killer.kill(pid))
  // The witness stops a worker before it dies. So some die without one, and of those only that nobody hangs is checked.
  const unseen = await underLoad(policy, cluster, Math.ceil(kills / 4), (pid) => signal(pid, 'SIGKILL'))
  await isQuiet(cluster)
  await eventually(() => cluster.descriptors <= before)

  const { handedOver, rerouted, turnedAway } = (await cluster.ask('stats')).connections
  const unexplained = killer.unexplained(failures)
  report.figure(`${name}: SIGKILLs`, killer.count, `${kills}`, killer.count >= kills)
  report.none(`${name}: requests hung, of ${begun}`, hung.length + open, reasons(hung))
  report.none(`${name}: failed requests that were not inside a killed worker`, unexplained.length, reasons(unexplained))
  report.none(
    `${name}: requests hung, of ${unseen.begun} under ${Math.ceil(kills / 4)} SIGKILLs without a witness`,
    unseen.hung.length + unseen.open,
    reasons(unseen.hung),
  )
  report.none(`${name}: descriptors more than before in the primary`, Math.max(0, cluster.descriptors - before))
  report.note(`${name}: answered`, answered)
  report.note(`${name}: failed inside a killed worker`, `${failures.length} (${reasons(failures)})`)
  report.note(`${name}: handed over, re-routed, turned away`, `${handedOver}, ${rerouted}, ${turnedAway}`)
}

async function underLoad(
  { headers }: Policy,
  cluster: Cluster,
  kills: number,
  kill: (pid: number) => void,
): Promise<Ledger> {
  const load = new Load({ port: cluster.port, clients: CLIENTS, kind: 'fresh', path: waiting(20), headers })
  for (let killed = 0; killed < kills; ) {
    await aWhile(20, 200)
    const pids = await cluster.pids()
    // Now and then the last one dies too.
    if (pids.length < 2 && (pids.length === 0 || Math.random() < 0.9)) continue
    kill(anyOf(pids))
    killed += 1
  }
  await cluster.ready(WORKERS)
  return load.stop()
}

/** Every worker is there, and has no connection. */
function isQuiet(cluster: Cluster): Promise<boolean> {
  return eventually(async () => {
    const workers = await cluster.ask('workers')
    return workers.every(({ state, connections }) => state === 'ready' && connections === 0)
  })
}
