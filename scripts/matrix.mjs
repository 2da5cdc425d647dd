// Runs the tests with real processes on every supported line of Node, or on those named: `npm run test:matrix 22 24`.
// The npm package `node` brings the versions. Each run is started with that binary and has it first on PATH, so that
// processes which tests start, by process.execPath or by name, are of the same version.

import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from './build.mjs'
import { countTests } from './test-report.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const lines = process.argv.length > 2 ? process.argv.slice(2) : ['20', '22', '24', '26']

/** @param {string} line @returns {{ path: string, version: string }} */
function findNode(line) {
  const ask = 'console.log(JSON.stringify({ path: process.execPath, version: process.versions.node }))'
  const npx = spawnSync('npx', ['-y', `node@${line}`, '-e', ask], { cwd: root, encoding: 'utf8' })
  if (npx.status !== 0) throw new Error(`npx node@${line} failed:\n${npx.error?.message ?? npx.stderr}`)
  const found = JSON.parse(npx.stdout)
  if (found.version.split('.')[0] !== line) throw new Error(`npx node@${line} started Node ${found.version}`)
  return found
}

/** @param {string} line @returns {boolean} whether all tests passed */
function runOn(line) {
  const node = findNode(line)
  const report = join(root, 'build', `test-report-node-${line}.json`)
  rmSync(report, { force: true })
  const args = ['run', '--project', 'cluster', '--reporter=json', `--outputFile.json=${report}`]
  const run = spawnSync(node.path, [join(root, 'node_modules/vitest/vitest.mjs'), ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, PATH: `${dirname(node.path)}${delimiter}${process.env.PATH}` },
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const { passed, failed, failures } = countTests(report)
  const ok = run.status === 0 && failed === 0 && passed > 0
  console.log(`node ${node.version}: ${passed} passed, ${failed} failed`)
  if (!ok)
    console.error(failures.join('\n') || `vitest ended with ${run.signal ?? run.status}\n${run.stdout}${run.stderr}`)
  return ok
}

mkdirSync(join(root, 'build'), { recursive: true })
let ok = true
try {
  build({ fixtures: true, onBuild: (name) => console.log(`matrix: compiling ${name}`) })
  for (const line of lines) ok = runOn(line) && ok
} catch (error) {
  console.error(`matrix: ${error instanceof Error ? error.message : error}`)
  ok = false
}
process.exitCode = ok ? 0 : 1
