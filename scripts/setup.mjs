// Runs before `npm start`, `npm test` and `npm run check`, so that a fresh clone needs only Node and npm.
// Installs what package-lock.json says when node_modules is not that, then brings dist up to date. A folder that is named,
// `setup.mjs bench`, is a package of its own with a lock of its own, and gets the same.
// It uses Node's own modules only: nothing else is there yet.

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** @param {string} file @returns {any} */
const readJson = (file) => JSON.parse(readFileSync(join(root, file), 'utf8'))

function requireNode() {
  const { engines } = readJson('package.json')
  const [major = 0, minor = 0] = engines.node.replace('>=', '').split('.').map(Number)
  const [haveMajor = 0, haveMinor = 0] = process.versions.node.split('.').map(Number)
  if (haveMajor > major || (haveMajor === major && haveMinor >= minor)) return
  throw new Error(`Expected Node ${engines.node}, got ${process.versions.node}. Install a newer Node and try again`)
}

/**
 * Why an install is needed, or nothing. npm keeps its own record of what it put into node_modules.
 * @param {string} folder
 */
function whyInstall(folder) {
  const lock = join(folder, 'package-lock.json')
  if (!existsSync(join(root, lock))) throw new Error(`${lock} is missing: restore it from git`)
  const record = join(folder, 'node_modules/.package-lock.json')
  if (!existsSync(join(root, record))) return `${join(folder, 'node_modules')} is missing or incomplete`
  const wanted = readJson(lock).packages
  const present = readJson(record).packages
  for (const [path, { version, optional, peer }] of Object.entries(wanted)) {
    // The root itself is not in the record; builds for other platforms are optional and rightly absent.
    if (path === '' || (present[path] === undefined && (optional || peer))) continue
    if (present[path]?.version !== version) return `${path} is not ${version}`
    if (!existsSync(join(root, folder, path))) return `${path} is gone`
  }
  for (const path of Object.keys(present)) {
    if (wanted[path] === undefined) return `${path} is not in ${lock}`
  }
  return undefined
}

/** @param {string} folder @param {string} reason */
function install(folder, reason) {
  console.log(`setup: installing dependencies (${reason})`)
  // Development dependencies are what this is for, whatever NODE_ENV says.
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']
  // npm tells its scripts which npm runs them; by hand, the one on PATH is used.
  const npm = process.env.npm_execpath
  const [file, first] = npm ? [process.execPath, [npm]] : ['npm', []]
  const { status, signal, error, stdout, stderr } = spawnSync(file, [...first, ...args], {
    cwd: join(root, folder),
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  if (error) throw new Error(`Cannot run npm: ${error.message}`)
  if (status === 0) return
  process.stderr.write(stdout + stderr)
  throw new Error(`npm ci failed (${signal ?? `exit code ${status}`}); its own words are above`)
}

try {
  requireNode()
  for (const folder of ['.', ...process.argv.slice(2)]) {
    const reason = whyInstall(folder)
    if (reason) install(folder, reason)
  }
  // What it builds with has just been installed.
  const { build } = await import('./build.mjs')
  build({ onBuild: (name) => console.log(`setup: compiling ${name}`) })
} catch (error) {
  console.error(`setup: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
}
