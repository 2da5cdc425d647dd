// Finds Chromium for the browser tests; run as a program it also installs Debian's where it may.
// No browser is downloaded by a test tool: `CHROMIUM_PATH` names any other build.

import { spawnSync } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const names = ['chromium', 'chromium-browser', 'google-chrome']

export const howToInstall =
  'Install Chromium (Debian, Ubuntu: apt-get install chromium) or set CHROMIUM_PATH to an executable of Chromium or Chrome'

/**
 * The executable to start, or nothing when there is none.
 * @returns {string | undefined}
 */
export function findChromium() {
  // Who names a browser means that one: a wrong path is reported, not replaced by another browser.
  const named = process.env.CHROMIUM_PATH
  if (named) return isExecutable(named) ? named : undefined
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean)
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable)
}

/** @param {string} file */
function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

/** @param {string[]} args */
function aptGet(...args) {
  const { status, error, stdout, stderr } = spawnSync('apt-get', args, {
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  if (status === 0) return true
  process.stderr.write(error ? `${error.message}\n` : stdout + stderr)
  return false
}

function mayInstall() {
  const isRoot = process.getuid?.() === 0
  return isRoot && !process.env.CHROMIUM_PATH && spawnSync('apt-get', ['--version']).status === 0
}

function main() {
  if (findChromium()) return
  if (mayInstall()) {
    console.log("browser: installing Debian's chromium for the browser tests")
    if (aptGet('update') && aptGet('install', '-y', '--no-install-recommends', 'chromium') && findChromium()) return
  }
  const what = process.env.CHROMIUM_PATH
    ? `CHROMIUM_PATH is not an executable file: ${process.env.CHROMIUM_PATH}`
    : `none of ${names.join(', ')} is on PATH`
  // A person without a browser can still work on the rest; a CI that skips tests by itself would hide it.
  const inCi = process.env.CI === 'true'
  console.error(`browser: ${what}. ${howToInstall}.${inCi ? '' : ' The browser tests will be skipped.'}`)
  if (inCi) process.exitCode = 1
}

if (process.argv[1] && pathToFileURL(resolve(process.argv[1])).href === import.meta.url) main()
