import { Load } from '../clients/load.js'
import { Cluster, program, RemoteFailure } from '../cluster.js'
import { reasons } from '../ledger.js'
import type { Report, Run } from '../report.js'

const WORKERS = 2
/** How long a build may take to get ready, ms; and how long it must live then: also on a busy machine longer than one does. */
const TIMEOUTS = { ready: 8_000, settle: 10_000 }

/** What each build does, and what the error has to say of it. */
const BUILDS: readonly { how: string; why: RegExp; output?: RegExp }[] = [
  { how: 'throws', why: /exited with code 1 before it was ready/, output: /the build is broken/ },
  { how: 'never-ready', why: /was not ready within 8000 ms/ },
  { how: 'dies', why: /exited with code 7 after it was ready, before it took over/ },
]

export const brokenReload: Run = {
  name: 'broken-reload',
  about: 'reloads to builds that fail, under load: the old one serves on',
  async run(_size, report) {
    const cluster = await Cluster.start({ workers: WORKERS, timeouts: TIMEOUTS })
    try {
      for (const build of BUILDS) await reloadTo(build, cluster, report)
      // Nothing of the failed builds is left in the settings: the next reload starts the old one.
      await cluster.ask('reload', { settle: 0 })
      report.figure('broken-reload: a good reload after them', 'done', 'done', true)
    } finally {
      await cluster.end()
    }
  },
}

async function reloadTo({ how, why, output }: (typeof BUILDS)[number], cluster: Cluster, report: Report) {
  const name = `broken-reload, ${how}`
  const before = await cluster.pids()
  const loads = (['fresh', 'kept'] as const).map((kind) => new Load({ port: cluster.port, clients: 6, kind }))
  const error = await cluster.ask('reload', { exec: program('broken'), args: [how] }).then(
    () => undefined,
    (error: unknown) => error as RemoteFailure,
  )
  const ledgers = await Promise.all(loads.map((load) => load.stop()))
  const requests = ledgers.reduce((sum, { begun }) => sum + begun, 0)
  const failures = ledgers.flatMap(({ failures, hung }) => [...failures, ...hung])
  const strangers = [...new Set(ledgers.flatMap(({ byPid }) => [...byPid.keys()]))].filter(
    (pid) => !before.includes(pid),
  )
  const first = error instanceof RemoteFailure ? error.failures[0] : undefined
  const saysWhy = why.test(first?.reason ?? '') && (output?.test(first?.output ?? '') ?? true)

  report.none(`${name}: failed requests, of ${requests}`, failures.length, reasons(failures))
  report.none(`${name}: answers of the broken build`, strangers.length)
  report.figure(
    `${name}: the old workers serve on`,
    String(await cluster.pids()),
    `${before}`,
    String(await cluster.pids()) === String(before),
  )
  const told = first ? `${error?.name} of worker ${first.id}: ${first.reason}` : String(error)
  report.figure(`${name}: says which and why`, told, `${why.source}`, error?.name === 'ReloadError' && saysWhy)
}
