import { setTimeout as after } from 'node:timers/promises'
import { Connection } from '../clients/connection.js'
import { Load, waiting } from '../clients/load.js'
import { Cluster, eventually, signal } from '../cluster.js'
import { anyOf, aWhile, Killer } from '../killer.js'
import { Ledger, reasons } from '../ledger.js'
import { clientsHeldBy } from '../programs/sockets.mjs'
import type { Report, Run, Size } from '../report.js'

const WORKERS = 4
const HANDOFFS = 4
/** How long a worker may leave a connection before it is fenced, ms. */
const FENCE = 3_000
const REQUESTS = { brief: 300, quick: 1_000, full: 5_000 }
const FREEZES = { brief: 1, quick: 3, full: 10 }
/** Connections that stay open, on all workers together. */
const HELD = 60

export const frozen: Run = {
  name: 'frozen',
  about: 'one worker of four stopped (SIGSTOP)',
  async run(size, report) {
    await frozenInHandOff(size, report)
    await frozenAtWork(size, report)
    await frozenInSharedAccept(size, report)
  },
}

/** Stopped while it had nothing to do: whatever is on its way to it from then on, it has not taken. */
async function frozenInHandOff(size: Size, report: Report): Promise<void> {
  const name = 'frozen, hand-off'
  const cluster = await Cluster.start({
    workers: WORKERS,
    balance: { policy: 'round-robin', accept: 'primary' },
    limits: { handoffs: HANDOFFS },
    timeouts: { handoff: FENCE },
  })
  try {
    await new Load({ port: cluster.port, clients: 16, kind: 'fresh', requests: 200 }).done
    const victim = await freezeIdle(cluster)

    const load = new Load({ port: cluster.port, clients: 32, kind: 'fresh', requests: REQUESTS[size] })
    const fenced = await eventually(async () => {
      const workers = await cluster.ask('workers')
      return workers.filter(({ state, pid }) => state === 'ready' && pid !== victim.pid).length === WORKERS
    })
    const { most = 0, now = 0 } = (await cluster.ask('handOffs'))[victim.incarnation] ?? {}
    await load.done
    const { begun, answered, failures, hung } = load.ledger
    const { rerouted } = (await cluster.ask('stats')).connections

    report.figure(
      `${name}: connections that it held and had not taken, at most`,
      most,
      `up to ${HANDOFFS}`,
      most <= HANDOFFS,
    )
    report.figure(`${name}: killed after ${FENCE} ms, and replaced`, String(fenced), 'true', fenced)
    report.none(`${name}: its connections lost after the fence`, failures.length + now, reasons(failures))
    report.none(`${name}: requests hung, of ${begun}`, hung.length, reasons(hung))
    report.figure(`${name}: re-routed to others`, rerouted, `${most}, all that it had not taken`, rerouted === most)
    report.note(`${name}: answered`, answered)
  } finally {
    await cluster.end()
  }
}

/** Stopped at a moment of chance, with requests inside: those it has taken, and no others, die with it. */
async function frozenAtWork(size: Size, report: Report): Promise<void> {
  const name = 'frozen at work, hand-off'
  const cluster = await Cluster.start({
    workers: WORKERS,
    balance: { policy: 'round-robin', accept: 'primary' },
    limits: { handoffs: HANDOFFS },
    timeouts: { handoff: FENCE },
  })
  const killer = new Killer(cluster)
  const victims = new Set<number>()
  try {
    const load = new Load({ port: cluster.port, clients: 48, kind: 'fresh', path: waiting(20) })
    for (let count = 0; count < FREEZES[size]; count += 1) {
      await aWhile(200, 600)
      const pid = anyOf(await cluster.pids())
      victims.add(pid)
      killer.freeze(pid)
      await eventually(async () => !(await cluster.pids()).includes(pid))
      await cluster.ready(WORKERS)
    }
    const { begun, failures, hung, open } = await load.stop()
    const counts = Object.values(await cluster.ask('handOffs'))
    const most = Math.max(...counts.map(({ most }) => most))
    const unexplained = killer.unexplained(failures)
    const others = cluster.exits.filter((pid) => !victims.has(pid))
    report.none(`${name}: workers killed that were not frozen`, others.length)
    report.figure(
      `${name}: connections that any held and had not taken, at most`,
      most,
      `up to ${HANDOFFS}`,
      most <= HANDOFFS,
    )
    report.none(`${name}: failed requests that it had not taken, of ${begun}`, unexplained.length, reasons(unexplained))
    report.none(`${name}: requests hung`, hung.length + open, reasons(hung))
    report.note(`${name}: failed inside a frozen worker, of ${FREEZES[size]}`, failures.length)
  } finally {
    await cluster.end()
  }
}

async function frozenInSharedAccept(size: Size, report: Report): Promise<void> {
  const name = 'frozen, default policy'
  const cluster = await Cluster.start({ workers: WORKERS, env: { KEEP_ALIVE: '60000' } })
  const { port } = cluster
  const held: Connection[] = []
  const ledger = new Ledger()
  try {
    await new Load({ port, clients: 16, kind: 'fresh', requests: 200 }).done
    const victim = await freezeIdle(cluster)

    const load = new Load({ port, clients: 16, kind: 'fresh', requests: REQUESTS[size] })
    await load.done
    // Connections that stay: the others must take more than their share, which they may only when the frozen one counts no more.
    const requests = Array.from({ length: HELD }, () => {
      const connection = new Connection({ port })
      held.push(connection)
      return ledger.enter(connection.send('GET / HTTP/1.1\r\nHost: chaos\r\n\r\n'))
    })
    const begun = performance.now()
    await Promise.all(requests)
    const took = Math.round(performance.now() - begun)
    const itsOwn = clientsHeldBy(victim.pid, port).size
    const failures = [...load.ledger.failures, ...ledger.failures]
    const hung = [...load.ledger.hung, ...ledger.hung]

    report.none(`${name}: new connections that went to it`, itsOwn)
    report.none(`${name}: failed requests, of ${load.ledger.begun + HELD}`, failures.length, reasons(failures))
    report.none(`${name}: hung requests`, hung.length, reasons(hung))
    report.note(`${name}: ${HELD} connections that stay were all served after, ms`, took)

    signal(victim.pid, 'SIGCONT')
    const more = new Load({ port, clients: 16, kind: 'fresh', requests: 500 })
    await more.done
    const again = more.ledger.byPid.get(victim.pid) ?? 0
    report.figure(`${name}: requests to it of 500 when it runs again`, again, 'some', again > 0)
  } finally {
    for (const connection of held) connection.close()
    await cluster.end()
  }
}

/** Stops a worker when nothing is open on any. */
async function freezeIdle(cluster: Cluster): Promise<{ pid: number; incarnation: number }> {
  await eventually(async () => (await cluster.ask('workers')).every(({ connections }) => connections === 0))
  const [, victim] = await cluster.ask('workers')
  if (!victim) throw new Error('there is no second worker')
  await eventually(() => clientsHeldBy(victim.pid, cluster.port).size === 0)
  signal(victim.pid, 'SIGSTOP')
  await after(20)
  return victim
}
