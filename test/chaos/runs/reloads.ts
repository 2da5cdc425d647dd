import { setTimeout as after } from 'node:timers/promises'
import { Load } from '../clients/load.js'
import { Uploads } from '../clients/uploads.js'
import { WebSockets } from '../clients/web-sockets.js'
import { Cluster } from '../cluster.js'
import { reasons } from '../ledger.js'
import type { Run } from '../report.js'

const SIZES = {
  brief: { requests: 3_000, replacements: 4 },
  quick: { requests: 30_000, replacements: 12 },
  full: { requests: 1_000_000, replacements: 100 },
}
const WORKERS = 4

/** Reloads follow one another, so none of them waits for long: new workers settle, and old ones drain, this many ms. */
const TIMEOUTS = { settle: 100, drain: 5_000 }

export const reloads: Run = {
  name: 'reloads',
  about: 'reloads one after the other under requests of every kind',
  async run(size, report) {
    const { requests, replacements } = SIZES[size]
    const cluster = await Cluster.start({ workers: WORKERS, timeouts: TIMEOUTS })
    const { port } = cluster
    try {
      const fresh = new Load({ port, clients: 12, kind: 'fresh', requests: requests / 2 })
      const kept = new Load({ port, clients: 12, kind: 'kept', requests: requests / 2, beside: fresh })
      const uploads = new Uploads({ port, clients: 4, pieces: 20, size: 8_192, pause: 60 })
      const webSockets = new WebSockets({ port, clients: 8 })

      let count = 0
      let cut = 0
      const replaced = (): number => count * WORKERS
      // Spread over the requests. In a run that is over too early, what is missing comes without further requests of these.
      while (!fresh.isOver || !kept.isOver || replaced() < replacements) {
        const due = Math.min(1, replaced() / replacements) * (requests / 2)
        if (fresh.ledger.begun < due && !fresh.isOver) await after(50)
        else {
          cut += (await cluster.ask('reload')).cut
          count += 1
        }
      }
      await webSockets.stop()
      const ledgers = [await fresh.stop(), await kept.stop(), await uploads.stop()]
      const [ofFresh, ofKept, ofUploads] = ledgers.map(({ begun }) => begun)
      const failures = ledgers.flatMap(({ failures }) => failures)
      const hung = ledgers.flatMap(({ hung }) => hung)
      const total = ledgers.reduce((sum, { begun }) => sum + begun, 0)
      const { echoed, sentAway, broken } = webSockets
      const badlyEnded = [...broken].map(([what, times]) => `${times} × ${what}`).join(', ')

      report.figure('reloads: requests', total, `${requests}`, total >= requests)
      report.figure('reloads: workers replaced', replaced(), `${replacements}`, replaced() >= replacements)
      report.none('reloads: failed requests', failures.length, reasons(failures))
      report.none('reloads: hung requests', hung.length, reasons(hung))
      report.figure('reloads: WebSockets that ended otherwise than with 1001', badlyEnded || 0, 'none', !badlyEnded)
      report.note('reloads: connection each, kept alive, slow uploads', `${ofFresh}, ${ofKept}, ${ofUploads}`)
      report.note('reloads: WebSocket echoes, and closes with 1001', `${echoed}, ${sentAway}`)
      report.note('reloads: connections cut at the deadline', cut)
    } finally {
      await cluster.end()
    }
  },
}
