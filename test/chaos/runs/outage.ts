import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { Load, waiting } from '../clients/load.js'
import { Cluster } from '../cluster.js'
import { aWhile, Killer } from '../killer.js'
import { reasons } from '../ledger.js'
import { type Policy, policiesFor } from '../policies.js'
import type { Report, Run } from '../report.js'

const WORKERS = 4
/** How long nobody serves, ms: what a start takes is added to it. */
const OUTAGE = 2_000
/** Clients, half of them with a connection for each request. */
const CLIENTS = { brief: 32, quick: 64, full: 200 }
const OUTAGES = { brief: 1, quick: 2, full: 5 }

export const outage: Run = {
  name: 'outage',
  about: 'all workers killed under load, and none for two seconds',
  async run(size, report) {
    for (const policy of policiesFor(size)) {
      const cluster = await Cluster.start({
        workers: WORKERS,
        balance: policy.balance,
        restart: { max: 100, backoff: { min: 1, max: 10 } },
      })
      try {
        await killAll(policy, cluster, { clients: CLIENTS[size], outages: OUTAGES[size] }, report)
      } finally {
        await cluster.end()
      }
    }
  },
}

async function killAll(
  policy: Policy,
  cluster: Cluster,
  { clients, outages }: { clients: number; outages: number },
  report: Report,
): Promise<void> {
  const name = `outage, ${policy.name}`
  const { headers } = policy
  const killer = new Killer(cluster)
  const loads = (['fresh', 'kept'] as const).map(
    (kind) => new Load({ port: cluster.port, clients: clients / 2, kind, path: waiting(10), headers }),
  )
  let waited = 0
  for (let count = 0; count < outages; count += 1) {
    await aWhile(300, 600)
    writeFileSync(join(cluster.folder, 'slow-start'), String(OUTAGE))
    for (const pid of await cluster.pids()) killer.kill(pid)
    await after(OUTAGE)
    waited += loads.reduce((sum, { ledger }) => sum + ledger.open, 0)
    rmSync(join(cluster.folder, 'slow-start'))
    await cluster.ready(WORKERS)
  }
  const ledgers = await Promise.all(loads.map((load) => load.stop()))
  const requests = ledgers.reduce((sum, { begun }) => sum + begun, 0)
  const failures = ledgers.flatMap(({ failures }) => failures)
  const hung = ledgers.flatMap(({ hung }) => hung)
  const unexplained = killer.unexplained(failures)
  const refused = failures.filter(({ why }) => why === 'ECONNREFUSED')

  report.none(`${name}: refused connections`, refused.length)
  report.none(`${name}: requests hung, of ${requests}`, hung.length, reasons(hung))
  report.none(
    `${name}: requests without an answer that were not inside a killed worker`,
    unexplained.length,
    reasons(unexplained),
  )
  report.figure(
    `${name}: requests that were waiting when workers came back, over ${outages} outages`,
    waited,
    `${clients * outages}, one per client`,
    waited === clients * outages,
  )
  report.note(`${name}: failed inside a killed worker`, `${failures.length} (${reasons(failures)})`)
}
