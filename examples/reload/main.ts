/**
 * Deploys without downtime. A file says which release is live; when another name is written into it, all workers are
 * replaced by workers of that release, and no request fails. A release that cannot start, or does not stay alive, is given
 * up before it has got a single request; the old one serves on, and the log says why.
 *
 *     node --import tsx examples/reload/main.ts    http://localhost:3000, Ctrl-C stops it
 *
 * Try it while something like `wrk -d 60 http://localhost:3000` runs, and then `curl localhost:3000`:
 *
 *     echo two > release.txt       a good one
 *     echo broken > release.txt    fails when it starts: `two` serves on
 *     echo flaky > release.txt     starts, and dies a second later: `two` serves on
 *     kill -HUP <primary>          new processes of the release that is live
 *
 * `release.txt` stands for the file that is printed at the start; RELEASE_FILE sets another. `curl localhost:3000/slow`
 * takes three seconds: one that has begun is finished by the release that began it. PORT, HOST and WORKERS set what they say.
 */
import { readFileSync, unwatchFile, watchFile, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCluster } from 'troupe'

const file = process.env.RELEASE_FILE ?? join(tmpdir(), 'troupe-example-release.txt')
const build = (release: string): URL => new URL(`./releases/${release}.ts`, import.meta.url)

let live = 'one'
writeFileSync(file, `${live}\n`)
const cluster = await createCluster({
  exec: build(live),
  workers: Number(process.env.WORKERS ?? 4),
  ready: 'listen',
  // Ctrl-C and SIGTERM stop in order; SIGHUP replaces every worker by one of the same release.
  signals: true,
})
console.log(`Release ${live} is live, of process ${process.pid}. Write another name into ${file}`)

// A file that is empty is just being written.
watchFile(file, { interval: 100 }, ({ size }) => void (size > 0 && deploy(readFileSync(file, 'utf8').trim())))
void cluster.closed.then(() => unwatchFile(file))

async function deploy(release: string): Promise<void> {
  if (!/^\w+$/.test(release) || release === live) return
  console.log(`Deploying release ${release}`)
  try {
    // New workers start beside the old ones. When all are ready, and have stayed alive for `settle` milliseconds, they take
    // over together. From then on workers that die are replaced by workers of this release.
    await cluster.reload({ exec: build(release), settle: 2_000 })
    live = release
    console.log(`Release ${release} is live`)
  } catch (error) {
    // A ReloadError has each failed worker's end and its last output in its message; `failures` has them one by one.
    console.log(`Release ${release} does not go live. ${(error as Error).message}`)
  }
}
